//! Settings of builds without a Dockerfile.

use clap::Args;

use crate::stacks::{BuildArg, ImageOverride};

#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Builds without a Dockerfile")]
pub struct StackArgs {
    /// Base images of generated Dockerfiles, separated by commas, such as python=mirror.example/python. A replacement without a
    /// tag gets the usual tag; *=PREFIX puts a prefix before all other images
    #[arg(long, env = "SLIPWAY_STACK_IMAGES", value_name = "IMAGE=REPLACEMENT", value_delimiter = ',')]
    pub stack_images: Vec<ImageOverride>,
    /// Build arguments for generated Dockerfiles, separated by commas, such as PIP_INDEX_URL=https://pypi.example/simple. They
    /// appear in the image's history, so they must not contain a password
    #[arg(long, env = "SLIPWAY_STACK_BUILD_ARGS", value_name = "NAME=VALUE", value_delimiter = ',')]
    pub stack_build_args: Vec<BuildArg>,
}
