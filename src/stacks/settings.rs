//! The operator's settings for builds without a Dockerfile: base images from elsewhere, and build arguments.

use std::collections::BTreeMap;
use std::str::FromStr;

use super::plan::ImageName;
use super::word::{Word, is_word};

/// Stands for all images that no other entry names.
const ALL_IMAGES: &str = "*";

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StackSettings {
    /// Base images by their usual name, such as `python` or `dotnet/sdk`.
    images: BTreeMap<String, Word>,
    args: BTreeMap<String, String>,
}

/// `IMAGE=REPLACEMENT`: an image without tag or digest gets the usual tag. `*=PREFIX` puts a prefix before all other images.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageOverride {
    image: String,
    replacement: Word,
}

/// `NAME=VALUE`: a build argument of every build without a Dockerfile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuildArg {
    name: String,
    value: String,
}

impl StackSettings {
    pub fn new(images: Vec<ImageOverride>, args: Vec<BuildArg>) -> Self {
        Self {
            images: images.into_iter().map(|image| (image.image, image.replacement)).collect(),
            args: args.into_iter().map(|arg| (arg.name, arg.value)).collect(),
        }
    }

    /// The values of the build arguments that generated Dockerfiles declare.
    pub fn args(&self) -> &BTreeMap<String, String> {
        &self.args
    }

    /// The reference of a base image.
    pub(super) fn image(&self, image: &ImageName) -> String {
        let ImageName { repository, tag } = image;
        let short = repository.rsplit_once(".com/").map_or(*repository, |(_, path)| path);
        let tag = tag.as_str();
        match (self.images.get(short), self.images.get(ALL_IMAGES)) {
            (Some(image), _) if has_tag(image.as_str()) => image.as_str().to_owned(),
            (Some(image), _) => format!("{}:{tag}", image.as_str()),
            (None, Some(prefix)) => format!("{}/{short}:{tag}", prefix.as_str().trim_end_matches('/')),
            (None, None) => format!("{repository}:{tag}"),
        }
    }
}

/// Whether the reference ends with a tag or a digest. A `:` before the last `/` belongs to a port.
fn has_tag(image: &str) -> bool {
    image.contains('@') || image.rsplit('/').next().unwrap_or_default().contains(':')
}

impl FromStr for ImageOverride {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (image, replacement) =
            text.split_once('=').ok_or("write IMAGE=REPLACEMENT, such as python=mirror.example/python")?;
        let image = image.trim().to_owned();
        if image != ALL_IMAGES && !is_word(&image) {
            return Err(format!("{image:?} is not the name of an image"));
        }
        let replacement = replacement.trim();
        let word = Word::new(replacement).ok_or_else(|| format!("{replacement:?} is not a reference of an image"))?;
        Ok(Self { image, replacement: word })
    }
}

impl FromStr for BuildArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, value) =
            text.split_once('=').ok_or("write NAME=VALUE, such as PIP_INDEX_URL=https://pypi.example/simple")?;
        let is_letter = |b: u8| b.is_ascii_alphabetic() || b == b'_';
        let is_name =
            name.bytes().all(|b| is_letter(b) || b.is_ascii_digit()) && name.bytes().next().is_some_and(is_letter);
        match is_name {
            true => Ok(Self { name: name.to_owned(), value: value.to_owned() }),
            false => Err(format!("{name:?} is not the name of a variable")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image_with(overrides: &[&str], repository: &'static str) -> String {
        let overrides = overrides.iter().map(|text| text.parse().unwrap()).collect();
        StackSettings::new(overrides, vec![]).image(&ImageName { repository, tag: Word::fixed("3.13-slim") })
    }

    #[test]
    fn an_image_is_replaced_by_name_or_by_prefix() {
        assert_eq!(image_with(&[], "python"), "python:3.13-slim");
        assert_eq!(image_with(&["python=mirror.example:5000/py"], "python"), "mirror.example:5000/py:3.13-slim");
        assert_eq!(image_with(&["python=mirror.example/py:own"], "python"), "mirror.example/py:own");
        assert_eq!(image_with(&["*=mirror.example/hub/"], "python"), "mirror.example/hub/python:3.13-slim");
        assert_eq!(image_with(&["*=mirror.example/hub", "python=py"], "python"), "py:3.13-slim");
        let dotnet = "mcr.microsoft.com/dotnet/sdk";
        assert_eq!(image_with(&["*=mirror.example"], dotnet), "mirror.example/dotnet/sdk:3.13-slim");
        assert_eq!(image_with(&["dotnet/sdk=own/sdk"], dotnet), "own/sdk:3.13-slim");
        assert_eq!(image_with(&["node=x"], dotnet), "mcr.microsoft.com/dotnet/sdk:3.13-slim");
    }

    #[test]
    fn a_setting_that_would_not_be_one_word_is_refused() {
        for bad in ["python", "python=", "python=a b", "python=a\nRUN x", "py thon=a", "=a"] {
            assert!(bad.parse::<ImageOverride>().is_err(), "{bad:?}");
        }
        for bad in ["A", "=x", "A B=x", "1A=x", "A-B=x"] {
            assert!(bad.parse::<BuildArg>().is_err(), "{bad:?}");
        }
        assert_eq!("A_1=x=y".parse(), Ok(BuildArg { name: "A_1".to_owned(), value: "x=y".to_owned() }));
    }
}
