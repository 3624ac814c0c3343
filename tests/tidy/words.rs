//! Words that comments and pages do not use.

use std::fs;

use super::{report, root, sources};

/// Words that make a comment hard to follow: name the subject instead. CONTRIBUTING.md has the
/// rule.
const UNCLEAR: [&str; 5] = ["nobody", "whoever", "those of", "so many", "what is"];

/// Openings that have no verb, such as "As [`create`], but ..": write "Like [`create`]".
const UNCLEAR_OPENINGS: [&str; 2] = ["As [`", "As `"];

/// The pages that are checked too.
const PAGES: [&str; 7] = [
    "README.md",
    "ARCHITECTURE.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "benches/README.md",
    "docs/asyncio.md",
    "docs/features.md",
];

/// The longest line of a comment, in characters.
const LINE_MAX: usize = 100;

/// The text of a comment that is a line of its own.
fn comment_of(line: &str) -> Option<&str> {
    let comment = line.trim_start().strip_prefix("//")?;
    Some(comment.trim_start_matches(['/', '!']).trim())
}

/// The lines of prose in the comments of `text`, with their numbers: neither examples nor tables.
fn prose(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut is_example = false;
    text.lines().zip(1..).filter_map(move |(line, number)| {
        let comment = comment_of(line)?;
        let is_fence = comment.starts_with("```");
        is_example ^= is_fence;
        (!is_fence && !is_example && !comment.starts_with('|')).then_some((number, line))
    })
}

fn is_unclear(comment: &str) -> bool {
    let lower = comment.to_lowercase();
    let is_letter = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
    let has_word = |word: &&str| {
        lower.match_indices(*word).any(|(at, _)| {
            !is_letter(lower[..at].chars().next_back())
                && !is_letter(lower[at + word.len()..].chars().next())
        })
    };
    UNCLEAR.iter().any(has_word)
        || UNCLEAR_OPENINGS.iter().any(|opening| comment.starts_with(opening))
}

#[test]
fn comments_name_their_subject_and_wrap() {
    let mut complaints = Vec::new();
    for folder in ["src", "tests", "examples", "crates", "benches"] {
        // A published package has no `crates` and no `benches`.
        if !root().join(folder).is_dir() {
            continue;
        }
        for source in sources(folder) {
            let path = format!("{folder}/{}", source.path);
            // This file contains the words.
            if path == "tests/tidy/words.rs" {
                continue;
            }
            for (number, line) in prose(&source.text) {
                if comment_of(line).is_some_and(is_unclear) {
                    complaints.push(format!("{path}:{number}: say who or what: {line}"));
                }
                if line.chars().count() > LINE_MAX {
                    complaints.push(format!("{path}:{number}: wrap at {LINE_MAX}: {line}"));
                }
            }
        }
    }
    for page in PAGES {
        let Ok(text) = fs::read_to_string(root().join(page)) else { continue };
        for (number, line) in text.lines().enumerate() {
            if is_unclear(line) {
                complaints.push(format!("{page}:{}: say who or what: {line}", number + 1));
            }
        }
    }
    report(&complaints);
    assert!(is_unclear("Wakes whoever waits.") && is_unclear("As [`create`], but eager."));
    assert!(!is_unclear("Anybody's `NOBODYS` guess.") && !is_unclear("As many as fit."));
    let text = "/// One.\n/// ```\n/// // Two.\n/// ```\n/// | three |\nlet four = 4; // 4\n";
    assert!(prose(text).eq([(1, "/// One.")]));
}
