//! The small XML tree that all our XML uses: stanzas, PIDF, is-composing.
//!
//! [`splitter`] cuts a stream of bytes into whole first-level elements, [`reader`] reads one document or one slice
//! into an [`Element`], [`writer`] prints one. quick-xml is the tokenizer underneath; by itself it accepts much that
//! RFC 6120 section 11 forbids (comments, bare `&`, duplicate attributes, unbound prefixes), so every name, attribute,
//! reference and character is checked here.

pub mod ns;
pub mod reader;
pub mod splitter;
pub mod writer;

mod chars;
mod element;
mod error;
mod tag;
mod word;

pub use element::{Attribute, Element, Node};
pub use error::{Error, ErrorKind, Limit, Limits};
pub use word::Word;

/// A namespace name: known ones (see [`ns`]) do not allocate.
pub type Ns = Word;
