//! Keeps habits of bad style out of documents, comments and messages. To add a habit, extend [`HABITS`] with a pattern, advice,
//! and samples.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use regex::Regex;

/// Documents, and files and directories whose comments (`#`, `//`, `{{/* */}}`, `{#- -#}`) and Rust string literals are checked.
const CHECKED: &[&str] = &[
    "ARCHITECTURE.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "Dockerfile",
    "Makefile",
    "README.md",
    "chart",
    "dev",
    "docs",
    "examples",
    "src",
    "templates",
];

struct Habit {
    /// Matched against each sentence that is not a question: as it is written if the pattern begins with `^`, the beginning of
    /// the sentence, and otherwise in lower case.
    pattern: &'static str,
    instead: &'static str,
    /// Sentences that the pattern has to match.
    bad: &'static [&'static str],
    /// Similar sentences that the pattern must not match.
    good: &'static [&'static str],
}

const HABITS: &[Habit] = &[
    Habit {
        pattern: r"^(Who|Whom|Whose|Whatever|Whichever)\b",
        instead: "begin with the subject: \"Pushers …\", \"The owner …\", \"The user who …\"",
        bad: &["Who pushes needs an SSH key.", "Whose keys they are"],
        good: &["The user who pushed owns the app.", "Whole images are deleted."],
    },
    Habit {
        pattern: r"^What\b",
        instead: "begin with the noun: \"The output of …\", \"Changes that …\"",
        bad: &["What nodes pull with is a Secret.", "What differs between two revisions"],
        good: &["Whatsoever", "The doctor reports what it found."],
    },
    Habit {
        pattern: r"^(By|For|From|In|Of|On|To|With) (what|which|whom|whose)\b",
        instead: "begin with the subject, not with a relative clause",
        bad: &["By which the caches reach the registry."],
        good: &["By default, ten revisions are kept."],
    },
    Habit {
        pattern: r"\bwhat (is|are|was|were) [^.,;:?]{1,40} (is|are|was|were)\b",
        instead: "name the thing: \"the deleted images are\", not \"what is deleted is\"",
        bad: &["It keeps track: what is left behind is removed."],
        good: &["slipway reports what is missing."],
    },
    Habit {
        pattern: r"\b(whoever|whomever|whosoever)\b",
        instead: "name the role (pusher, owner, admin, client, operator), or write \"anyone who\"",
        bad: &["Whoever asks is refused.", "an error for whoever pushes"],
        good: &["Anyone who can read the Secret has the password."],
    },
    Habit {
        pattern: r"\b(no|some|every|any)body\b",
        instead: "name the role: \"no user\", \"another client\", \"all users\"",
        bad: &["Nobody may push.", "until somebody mends it"],
        good: &["The request body is empty.", "Anyone may push."],
    },
    Habit {
        pattern: r"\b(he|him|his|she|her|hers)\b",
        instead: "name the person's role, or write \"they\"",
        bad: &["A user removes his key."],
        good: &["The user removes the key here."],
    },
    Habit {
        pattern: r"\b(as|if|that|what|when|which|where|whether) one (can|could|has|installs|is|may|might|must|needs|sees|types|wants|would)\b",
        instead: "name the role, or write \"you\"",
        bad: &["The apps that one may see.", "as one installs it"],
        good: &["The older one may be missing."],
    },
    Habit {
        pattern: r"\brooms?\b",
        instead: "\"module\" for code, \"space\" or \"capacity\" for storage",
        bad: &["Each room imports only what it may."],
        good: &["Each module has its own error type."],
    },
    Habit {
        pattern: r"\b(hears?|heard|forgets?|forgot|forgotten|feels?|felt|heeds?|heeded|believes?|believed)\b",
        instead: "programs receive, remove, detect, check or assume",
        bad: &["The gateway forgets the app.", "until the watch has heard of it"],
        good: &["The gateway removes the app from the cache."],
    },
    Habit {
        pattern: r"\b(app|cache|client|code|cluster|engine|function|gateway|git|helm|hook|it|kubelet|module|process|program|registry|server|slipway|store|watch) (knows|knew|tells|told|wants|wishes|likes|thinks)\b",
        instead: "programs have, store, report, print, require or expect",
        bad: &["The registry knows the image.", "it tells the pusher"],
        good: &["The registry has the image.", "All known images are kept."],
    },
    Habit {
        pattern: r"\b(that|what|which) (is|are|was|were) there( already)?\b|\bthere already\b",
        instead: "\"existing\", \"exists\"",
        bad: &["a namespace that is there already", "the objects which were there"],
        good: &["There are no namespaces.", "an existing namespace"],
    },
    Habit {
        pattern: r"\b(go|goes|going|gone|went) back to\b",
        instead: "\"roll back to\", \"return to\", \"change back to\"",
        bad: &["The revision cannot be gone back to."],
        good: &["To roll back to v1: rollback myapp v1"],
    },
    Habit {
        pattern: r"\bstands? (above|at|behind|below|beside|between|here|in|on|there|under)\b",
        instead: "\"is in\", \"is at\", \"is listed under\", \"replaces\"",
        bad: &["a key that stands under two users"],
        good: &["a key that is assigned to two users", "`ssh` stands for the whole command"],
    },
    Habit {
        pattern: r"\b(is|are|was|were|be) away\b",
        instead: "\"is unavailable\", \"cannot be reached\"",
        bad: &["The registry is away."],
        good: &["The registry is unavailable.", "It is thrown away."],
    },
    Habit {
        pattern: r"\banew\b",
        instead: "\"again\", \"a new …\"",
        bad: &["The Job is made anew."],
        good: &["slipway creates a new Job."],
    },
    Habit {
        pattern: r"\bmend(s|ed|ing)?\b",
        instead: "\"repair\", \"fix\", \"correct\"",
        bad: &["until the ConfigMap is mended"],
        good: &["the recommended labels", "an amended commit"],
    },
    Habit {
        pattern: r"\blook(s|ed|ing)? (how|if|what|whether|which)\b",
        instead: "\"check whether\", \"find out\"",
        bad: &["It looks whether the Engine answers."],
        good: &["doctor looks for missing images."],
    },
    Habit {
        pattern: r"\bcounts? (at once|late|on|until)\b",
        instead: "\"takes effect\", \"stays valid\"",
        bad: &["An edit counts at once."],
        good: &["An edit takes effect at once.", "slipway counts requests."],
    },
    Habit {
        pattern: r"\bof (ours|theirs|yours)\b",
        instead: "\"slipway's …\", \"the user's …\"",
        bad: &["a label of ours"],
        good: &["our label", "a list of hours"],
    },
    Habit {
        pattern: r"\b(in truth|have it done|it is so that|as it were|be it)\b",
        instead: "leave it out, or state the fact directly",
        bad: &["It comes from the cache in truth."],
        good: &["It comes from the cache."],
    },
];

/// Code in backticks.
static CODE: LazyLock<Regex> = LazyLock::new(|| Regex::new("`[^`]*`").unwrap());
static SENTENCE_END: LazyLock<Regex> = LazyLock::new(|| Regex::new(r#"[.!?…]["')]?\s+"#).unwrap());
/// The beginning of a list item or a heading.
static LIST_ITEM: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"^\s*([-*]|\d+\.) |^#+ ").unwrap());
/// A comment of a script, a YAML file, a Helm template or a tera template.
static HASH_COMMENT: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"^\s*#+!?(.*)$|\s#+ (.*)$|\{\{-? ?/\*(.*?)\*/|\{#-?(.*?)(?:-?#\}|$)").unwrap());
/// A comment, or a string or character literal.
static RUST_TOKEN: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(concat!(
        r#"(?s)//(?<comment>[^\n]*)"#,
        r#"|/\*(?<block>.*?)\*/"#,
        r##"|\br#+"(?<hashed>.*?)"#+"##,
        r#"|\br"(?<raw>[^"]*)""#,
        r#"|"(?<string>(?:[^"\\]|\\.)*)""#,
        r#"|'(?:[^'\\\n]|\\(?:u\{[^}]*\}|x..|.))'"#,
    ))
    .unwrap()
});

/// A paragraph, a table cell, a comment or a string literal.
#[derive(Debug, Default)]
struct Block {
    text: String,
    /// The offset in `text` at which each source line begins, and the line's number.
    lines: Vec<(usize, usize)>,
}

impl Block {
    fn push(&mut self, line: usize, text: &str) {
        if !self.text.is_empty() {
            self.text.push(' ');
        }
        self.lines.push((self.text.len(), line));
        self.text.push_str(&text.replace("**", ""));
    }

    fn line_at(&self, offset: usize) -> usize {
        self.lines.iter().rev().find(|(start, _)| *start <= offset).map_or(1, |(_, line)| *line)
    }

    /// The sentences, and their offsets. Code in backticks is masked.
    fn sentences(&self) -> Vec<(usize, String)> {
        let text =
            CODE.replace_all(&self.text, |found: &regex::Captures| format!("`{}`", "x".repeat(found[0].len() - 2)));
        let mut sentences = Vec::new();
        let mut start = 0;
        for boundary in SENTENCE_END.find_iter(&text) {
            sentences.push((start, text[start..boundary.end()].trim_end().to_owned()));
            start = boundary.end();
        }
        sentences.push((start, text[start..].trim_end().to_owned()));
        sentences
    }
}

/// Collects lines into blocks.
#[derive(Default)]
struct Blocks {
    finished: Vec<Block>,
    current: Block,
}

impl Blocks {
    fn finish(&mut self) {
        let block = std::mem::take(&mut self.current);
        if !block.text.trim().is_empty() {
            self.finished.push(block);
        }
    }

    fn line(&mut self, number: usize, text: &str) {
        match text.trim() {
            "" => self.finish(),
            text => self.current.push(number, text),
        }
    }

    fn into_finished(mut self) -> Vec<Block> {
        self.finish();
        self.finished
    }
}

/// Paragraphs, list items and table cells, without fenced code.
fn markdown_blocks(lines: impl Iterator<Item = (usize, String)>) -> Vec<Block> {
    let mut blocks = Blocks::default();
    let mut is_code = false;
    for (number, line) in lines {
        if line.trim_start().starts_with("```") {
            is_code = !is_code;
            blocks.finish();
        } else if is_code {
        } else if line.trim_start().starts_with('|') {
            for cell in line.split('|') {
                blocks.finish();
                blocks.line(number, cell);
            }
            blocks.finish();
        } else {
            if LIST_ITEM.is_match(&line) {
                blocks.finish();
            }
            blocks.line(number, &LIST_ITEM.replace(&line, ""));
        }
    }
    blocks.into_finished()
}

/// Comments that begin with `#`, and those of templates.
fn hash_comment_blocks(source: &str) -> Vec<Block> {
    let mut blocks = Blocks::default();
    for (index, line) in source.lines().enumerate() {
        let whole_line = line.trim_start().starts_with('#');
        if !whole_line {
            blocks.finish();
        }
        if let Some(found) = HASH_COMMENT.captures(line) {
            let text = found.iter().skip(1).flatten().next().map_or("", |text| text.as_str());
            blocks.line(index + 1, text);
        }
        if !whole_line {
            blocks.finish();
        }
    }
    blocks.into_finished()
}

/// The comments and the string literals of Rust source.
fn rust_blocks(source: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut comment: Vec<(usize, String)> = Vec::new();
    let (mut line, mut position) = (1, 0);
    for found in RUST_TOKEN.captures_iter(source) {
        let whole = found.get(0).unwrap();
        line += source[position..whole.start()].matches('\n').count();
        position = whole.start();
        let follows = comment.last().is_some_and(|(last, _)| last + 1 == line);
        let text = |name| found.name(name).map(|text| text.as_str());
        if let Some(text) = text("comment") {
            if !follows {
                blocks.extend(markdown_blocks(std::mem::take(&mut comment).into_iter()));
            }
            comment.push((line, text.trim_start_matches(['/', '!']).to_owned()));
        } else if let Some(text) = ["block", "hashed", "raw", "string"].into_iter().find_map(text) {
            blocks.extend(literal_blocks(line, text));
        }
    }
    blocks.extend(markdown_blocks(comment.into_iter()));
    blocks
}

/// The lines of a literal or a block comment. A backslash joins a line with the next one.
fn literal_blocks(first: usize, text: &str) -> Vec<Block> {
    let mut blocks = Blocks::default();
    for (index, line) in text.lines().enumerate() {
        let continues = line.ends_with('\\');
        for part in line.trim_end_matches('\\').split(r"\n") {
            blocks.line(first + index, part);
            if !continues {
                blocks.finish();
            }
        }
    }
    blocks.into_finished()
}

fn blocks(path: &Path, source: &str) -> Vec<Block> {
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("md") => markdown_blocks(source.lines().enumerate().map(|(index, line)| (index + 1, line.to_owned()))),
        Some("rs") => rust_blocks(source),
        Some("json" | "snap") => Vec::new(),
        _ => hash_comment_blocks(source),
    }
}

fn files(path: PathBuf, found: &mut Vec<PathBuf>) {
    if path.is_dir() {
        let mut entries: Vec<_> = std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()).collect();
        entries.sort();
        entries.into_iter().for_each(|entry| files(entry, found));
    } else {
        found.push(path);
    }
}

struct Pattern {
    regex: Regex,
    habit: &'static Habit,
}

impl Pattern {
    /// Where the habit begins and ends in the sentence.
    fn find(&self, sentence: &str) -> Option<Range<usize>> {
        if sentence.ends_with('?') {
            return None;
        }
        match self.habit.pattern.starts_with('^') {
            true => self.regex.find(sentence).map(|found| found.range()),
            false => self.regex.find(&sentence.to_ascii_lowercase()).map(|found| found.range()),
        }
    }
}

fn patterns() -> Vec<Pattern> {
    HABITS.iter().map(|habit| Pattern { regex: Regex::new(habit.pattern).unwrap(), habit }).collect()
}

#[test]
fn documents_comments_and_messages_have_no_bad_habits() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let patterns = patterns();
    let mut paths = Vec::new();
    CHECKED.iter().for_each(|path| files(root.join(path), &mut paths));
    let mut findings = Vec::new();
    for path in paths {
        let Ok(source) = std::fs::read_to_string(&path) else { continue };
        let name = path.strip_prefix(root).unwrap().display();
        for block in blocks(&path, &source) {
            for (offset, sentence) in block.sentences() {
                for pattern in &patterns {
                    let Some(found) = pattern.find(&sentence) else { continue };
                    let line = block.line_at(offset + found.start);
                    let words: String = sentence[found.start..].chars().take(40).collect();
                    findings.push(format!("{name}:{line}: \"{words}…\": {}", pattern.habit.instead));
                }
            }
        }
    }
    assert!(findings.is_empty(), "{} findings\n{}", findings.len(), findings.join("\n"));
}

#[test]
fn each_pattern_matches_its_bad_samples_and_spares_its_good_ones() {
    for pattern in patterns() {
        let Habit { pattern: text, bad, good, .. } = pattern.habit;
        for bad in *bad {
            assert!(pattern.find(bad).is_some(), "{text} does not match \"{bad}\"");
        }
        for good in *good {
            assert!(pattern.find(good).is_none(), "{text} matches \"{good}\"");
        }
    }
}

#[test]
fn questions_and_code_are_spared() {
    assert!(patterns().iter().all(|pattern| pattern.find("Who may push?").is_none()));
    let block = Block { text: "Run `whoever`. It ends.".into(), lines: vec![(0, 7)] };
    let sentences = block.sentences();
    assert_eq!(sentences, [(0, "Run `xxxxxxx`.".into()), (15, "It ends.".into())]);
}

#[test]
fn the_text_of_documents_is_found_with_its_lines() {
    let source = "# Title\n\nOne two\nthree. Four\n```\ncode\n```\n- item\n  goes on\n| a | b |\n";
    let lines = source.lines().enumerate().map(|(index, line)| (index + 1, line.to_owned()));
    let found = markdown_blocks(lines);
    let texts: Vec<_> = found.iter().map(|block| block.text.as_str()).collect();
    assert_eq!(texts, ["Title", "One two three. Four", "item goes on", "a", "b"]);
    let starts: Vec<_> = found.iter().map(|block| block.line_at(0)).collect();
    assert_eq!((starts, found[1].line_at("One two t".len())), (vec![1, 3, 8, 10, 10], 4));
}

#[test]
fn the_comments_and_strings_of_rust_source_are_found_with_their_lines() {
    let source = concat!(
        "/// First\n/// half.\nfn f<'a>() -> char {\n    g(\"a \\\"message\\\" \\\n        goes on\"); // why\n    '\"'\n}\n",
        "const RAW: &str = r#\"raw \"text\"\"#;\n",
    );
    let mut found: Vec<_> = rust_blocks(source).iter().map(|block| (block.line_at(0), block.text.clone())).collect();
    found.sort();
    let expected = [(1, "First half."), (4, r#"a \"message\" goes on"#), (5, "why"), (8, "raw \"text\"")];
    assert_eq!(found, expected.map(|(line, text)| (line, text.to_owned())));
}

#[test]
fn the_comments_of_scripts_and_templates_are_found_with_their_lines() {
    let source = "#!/bin/sh\n# One\n# two.\nrun a#b # three\n{{/* four */}}\n{#- five -#}\n";
    let found: Vec<_> =
        hash_comment_blocks(source).iter().map(|block| (block.line_at(0), block.text.clone())).collect();
    assert_eq!(
        found,
        [(1, "/bin/sh One two.".to_owned()), (4, "three".to_owned()), (5, "four".to_owned()), (6, "five".to_owned())]
    );
}
