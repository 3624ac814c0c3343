//! What a writer sends, and when it waits.
