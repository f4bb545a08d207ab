//! The stacks that slipway builds without a Dockerfile.

use std::fmt;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stack {
    Php,
    Go,
    Java,
    Rust,
    Ruby,
    Elixir,
    Python,
    DotNet,
    Node,
    StaticFiles,
}

impl Stack {
    /// All stacks; the first that a repository has is built. Node.js is near the end, because repositories of other stacks
    /// often have a `package.json` for their assets.
    pub const BY_PRECEDENCE: [Self; 10] = [
        Self::Php,
        Self::Go,
        Self::Java,
        Self::Rust,
        Self::Ruby,
        Self::Elixir,
        Self::Python,
        Self::DotNet,
        Self::Node,
        Self::StaticFiles,
    ];

    /// The files at the root of the repository that show the stack. `*` stands for any text at the beginning of a name.
    pub fn markers(self) -> &'static [&'static str] {
        match self {
            Self::Php => &["composer.json", "index.php"],
            Self::Go => &["go.mod"],
            Self::Java => &["pom.xml", "build.gradle", "build.gradle.kts"],
            Self::Rust => &["Cargo.toml"],
            Self::Ruby => &["Gemfile"],
            Self::Elixir => &["mix.exs"],
            Self::Python => &[
                "requirements.txt",
                "pyproject.toml",
                "uv.lock",
                "poetry.lock",
                "Pipfile",
                "manage.py",
                "main.py",
                "app.py",
            ],
            Self::DotNet => &["*.csproj", "*.fsproj"],
            Self::Node => &["package.json"],
            Self::StaticFiles => &["Staticfile", "index.html"],
        }
    }

    /// The name of the template, and of the stack in the settings.
    pub(super) fn id(self) -> &'static str {
        match self {
            Self::Php => "php",
            Self::Go => "go",
            Self::Java => "java",
            Self::Rust => "rust",
            Self::Ruby => "ruby",
            Self::Elixir => "elixir",
            Self::Python => "python",
            Self::DotNet => "dotnet",
            Self::Node => "node",
            Self::StaticFiles => "static_files",
        }
    }
}

impl fmt::Display for Stack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Php => "PHP",
            Self::Go => "Go",
            Self::Java => "Java",
            Self::Rust => "Rust",
            Self::Ruby => "Ruby",
            Self::Elixir => "Elixir",
            Self::Python => "Python",
            Self::DotNet => ".NET",
            Self::Node => "Node.js",
            Self::StaticFiles => "static files",
        })
    }
}
