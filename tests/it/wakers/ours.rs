//! Wakers of others in our hands.
