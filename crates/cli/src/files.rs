//! Files that the user names. They are read and written in one place, so that every refusal says what the file is for, what is
//! wrong with it and what to do.

use {
    crate::error::{Error, Result},
    quern_client::files::{unread, unwritten},
    quern_proof::file::{TENSOR_MAGIC, TRACE_MAGIC},
    std::{fs::OpenOptions, path::Path},
};

/// What a file is for.
#[derive(Clone, Copy, Debug)]
pub struct Role {
    /// What it is, with its article.
    what: &'static str,
    /// What such a file looks like.
    expected: &'static str,
    /// Where it was named.
    option: &'static str,
}

impl Role {
    /// A model's graph.
    pub const fn graph(option: &'static str) -> Self {
        Self {
            what: "the graph",
            expected: "a graph file (.qmodel), as models/digits/digits.qmodel is one",
            option,
        }
    }

    /// A model's weights.
    pub const fn weights(option: &'static str) -> Self {
        Self {
            what: "the weights",
            expected: "a bundle of the graph's weight tensors (.qbundle or .bin), in its order",
            option,
        }
    }

    /// A model's tokenizer.
    pub const fn tokenizer(option: &'static str) -> Self {
        Self {
            what: "the tokenizer",
            expected: "the model's tokenizer.json",
            option,
        }
    }

    /// Where a model is imported from.
    pub const fn source(option: &'static str) -> Self {
        Self {
            what: "what is imported",
            expected: "a recipe (recipe.json), the weights of an encoder (.safetensors) or a network (.onnx)",
            option,
        }
    }

    /// A float model's configuration.
    pub const fn config(option: &'static str) -> Self {
        Self {
            what: "the configuration",
            expected: "the model's config.json",
            option,
        }
    }

    /// Texts.
    pub const fn texts(option: &'static str) -> Self {
        Self {
            what: "texts",
            expected: "a text in UTF-8, one on each line",
            option,
        }
    }

    /// A graph's inputs.
    pub const fn input(option: &'static str) -> Self {
        Self {
            what: "an input",
            expected: "a file of tensors (.qten, .qbundle or .bin), which `quern tensor convert` makes of arrays, tables, images and texts",
            option,
        }
    }

    /// Tensors of any kind.
    pub const fn tensors(option: &'static str) -> Self {
        Self {
            what: "tensors",
            expected: "a tensor, a bundle or a trace (.qten, .qbundle, .qtrace or .bin); `quern tensor convert` reads other formats",
            option,
        }
    }

    /// A tensor in the format that its name or an option says.
    pub const fn tensor_in(format: &'static str, option: &'static str) -> Self {
        Self {
            what: "a tensor",
            expected: format,
            option,
        }
    }

    /// The program to deploy.
    pub const fn program(option: &'static str) -> Self {
        Self {
            what: "the built program",
            expected: "an ELF file, as `cargo xtask build-program` makes it",
            option,
        }
    }

    /// The program's interface description.
    pub const fn idl(option: &'static str) -> Self {
        Self {
            what: "the IDL",
            expected: "Anchor's JSON, as idl/quern.json is one",
            option,
        }
    }

    /// Reads the whole file.
    ///
    /// # Errors
    /// `File`, with all of the above.
    pub fn read(&self, path: &Path) -> Result<Vec<u8>> {
        std::fs::read(path).map_err(|error| self.unusable(path, unread(path, &error)))
    }

    /// That the file cannot be used, whatever is in it.
    pub fn unusable(&self, path: &Path, why: impl std::fmt::Display) -> Error {
        self.error(path, format!("{why}; correct {}", self.option))
    }

    /// That the file is no such file: what it looks like, where that is known, and what is expected.
    pub fn no_such(&self, path: &Path, bytes: &[u8], why: impl std::fmt::Display) -> Error {
        let looks = kind_of(path, bytes).map_or_else(
            || why.to_string(),
            |kind| format!("it looks like {kind} ({why})"),
        );
        self.error(
            path,
            format!("{looks}; {} expects {}", self.option, self.expected),
        )
    }

    /// That the file cannot be used, with all that there is to say.
    pub fn error(&self, path: &Path, why: String) -> Error {
        Error::File {
            path: path.to_owned(),
            role: format!(" as {}", self.what),
            why,
        }
    }
}

/// Writes a file that `option` names.
///
/// # Errors
/// `File`.
pub fn write(path: &Path, bytes: impl AsRef<[u8]>, option: &str) -> Result<()> {
    std::fs::write(path, bytes).map_err(|error| refused(path, &error, option))
}

/// Refuses a file that could not be written, before work or money goes into what it shall hold.
///
/// # Errors
/// `File`, as [`write`] would say it.
pub fn check_place(path: &Path, option: &str) -> Result<()> {
    let found = path.metadata();
    let is_new = path.symlink_metadata().is_err();
    // Opening a pipe or a device may wait for its reader, and its bytes are taken as they come.
    if found
        .as_ref()
        .is_ok_and(|one| !one.is_file() && !one.is_dir())
    {
        return Ok(());
    }
    let opened = OpenOptions::new().append(true).create(true).open(path);
    if opened.is_ok() && is_new {
        // It was no more than a try.
        let _ = std::fs::remove_file(path);
    }
    opened
        .map(drop)
        .map_err(|error| refused(path, &error, option))
}

/// Refuses a folder that could not be made or written into, before work goes into what it shall hold.
///
/// # Errors
/// `File`.
pub fn check_folder(path: &Path, option: &str) -> Result<()> {
    if path.exists() && !path.is_dir() {
        return Err(Error::file(
            path,
            format!("it is a file, and a folder is expected; correct {option}"),
        ));
    }
    // The nearest folder that is there must take what is missing.
    let near = path.ancestors().find(|one| one.is_dir());
    let near = near.unwrap_or(Path::new("."));
    check_place(&near.join(format!(".quern-{}", std::process::id())), option).map_err(|_| {
        Error::file(
            path,
            format!(
                "this user may not write into {}; correct {option}",
                near.display()
            ),
        )
    })
}

fn refused(path: &Path, error: &std::io::Error, option: &str) -> Error {
    let why = unwritten(path, error);
    Error::file(
        path,
        format!("{why}; make place for it, or correct {option}"),
    )
}

/// What a file is, as its first bytes and its name tell.
fn kind_of(path: &Path, bytes: &[u8]) -> Option<&'static str> {
    /// Where a producer's name stands in an ONNX file.
    const HEAD: usize = 256;
    let has = |text: &str| {
        let head = bytes.get(..bytes.len().min(HEAD)).unwrap_or_default();
        head.windows(text.len()).any(|part| part == text.as_bytes())
    };
    let starts = |with: &[u8]| bytes.starts_with(with);
    // A length of eight bytes, then JSON.
    let is_safetensors = bytes.get(8) == Some(&b'{') && bytes.get(4..8) == Some(&[0; 4]);
    // The version of the format is the first field, the producer or the graph follows.
    let is_onnx = matches!(bytes, [8, 1..=20, b'\x12' | b'\x1a' | b':', ..]);
    Some(match bytes {
        [] => "an empty file",
        _ if is_onnx || has("onnx") => "an ONNX model",
        _ if is_safetensors => "a safetensors file",
        _ if starts(&TENSOR_MAGIC) => "a file of tensors",
        _ if starts(&TRACE_MAGIC) => "a trace, the outputs of all ops",
        _ if starts(b"GGUF") => "a GGUF model",
        _ if starts(b"\x93NUMPY") => "a NumPy array",
        _ if starts(b"\x89HDF") => "an HDF5 or Keras model",
        _ if starts(b"PK\x03\x04") => "a ZIP archive, as PyTorch and NumPy write them",
        _ if starts(b"\x80\x02") || starts(b"\x80\x04") => "a Python pickle, as PyTorch writes it",
        _ if bytes.get(4..8) == Some(b"TFL3") => "a TensorFlow Lite model",
        _ if starts(b"\x1f\x8b") => "a gzip file",
        _ if starts(b"\x7fELF") => "a built program",
        _ if starts(b"\x89PNG") || starts(b"\xff\xd8\xff") => "an image",
        _ if starts(b"<") => "a web page",
        _ if starts(b"version https://git-lfs") => "a pointer of Git LFS, not the file itself",
        _ if starts(b"{") || starts(b"[") => "a JSON file",
        _ if is_graph(bytes) => "a graph",
        _ => return text_kind(path, bytes),
    })
}

/// Whether the bytes are a graph that could be read.
fn is_graph(bytes: &[u8]) -> bool {
    quern_proof::graph::Graph::parse(bytes).is_ok()
}

/// What a text is; nothing if it is none.
fn text_kind(path: &Path, bytes: &[u8]) -> Option<&'static str> {
    let text = std::str::from_utf8(bytes).ok()?;
    let is_written = |c: char| !c.is_control() || c.is_whitespace();
    if !text.chars().all(is_written) {
        return None;
    }
    let end = path.extension().and_then(|end| end.to_str());
    Some(match end.unwrap_or_default() {
        "md" => "a text in Markdown",
        "csv" | "tsv" => "a table",
        "py" | "rs" | "js" | "ts" | "sh" | "toml" | "yml" | "yaml" => "source code",
        _ => "a text",
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use {super::*, quern_proof::Tensor, quern_proof::file::encode_bundle};

    #[test]
    fn files_of_other_kinds_are_named() {
        let safetensors = [&24u64.to_le_bytes()[..], b"{\"__metadata__\":{}}"].concat();
        let own = encode_bundle(&[Tensor::from_i8(1, 1, &[1]).unwrap()]);
        for (name, bytes, kind) in [
            ("x", &b"\x08\x07\x12\x07pytorch\x1a\x031.9"[..], "ONNX"),
            ("x", b"\x08\x03:\xf0\x01\n", "ONNX"),
            ("x", &safetensors, "safetensors"),
            ("x", &own, "a file of tensors"),
            ("x", b"QTRC\x01", "a trace"),
            ("x", b"GGUF\x03\0\0\0", "GGUF"),
            ("x", b"\x93NUMPY\x01\0", "NumPy"),
            ("x", b"PK\x03\x04", "ZIP"),
            ("x", b"\x80\x02}q\0", "pickle"),
            ("x", b"\x20\0\0\0TFL3", "TensorFlow Lite"),
            (
                "x",
                b"version https://git-lfs.github.com/spec/v1",
                "Git LFS",
            ),
            ("x", b"<!DOCTYPE html>", "web page"),
            ("x", b"", "empty"),
            ("README.md", b"# A title\n\nWords.\n", "a text in Markdown"),
            ("x.csv", b"1,2\n3,4\n", "a table"),
            ("x.py", b"import numpy\n", "source code"),
            ("notes", "Gr\u{fc}\u{df}e\n".as_bytes(), "a text"),
        ] {
            let said = Role::graph("GRAPH").no_such(Path::new(name), bytes, "bad magic");
            let said = said.to_string();
            assert!(said.contains(kind), "{said}");
            assert!(said.contains("GRAPH expects a graph file"), "{said}");
        }
        assert_eq!(kind_of(Path::new("x"), b"\x01\x02\x03"), None);
    }

    #[test]
    fn what_is_not_there_says_what_it_is_for() {
        let path = Path::new("/nowhere/nope.bin");
        let said = Role::weights("--weights").read(path).unwrap_err();
        assert_eq!(
            said.to_string(),
            "cannot use /nowhere/nope.bin as the weights: there is no folder /nowhere; correct --weights"
        );
        for refused in [write(path, "x", "--out"), check_place(path, "--out")] {
            let said = refused.unwrap_err().to_string();
            assert!(
                said.contains("no folder /nowhere") && said.contains("--out"),
                "{said}"
            );
        }
    }

    #[test]
    fn a_try_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out.npy");
        check_place(&path, "--out").unwrap();
        assert!(!path.exists());
        std::fs::write(&path, "before").unwrap();
        check_place(&path, "--out").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"before");
        check_place(Path::new("/dev/null"), "--out").unwrap();
        let said = check_place(folder.path(), "--out").unwrap_err().to_string();
        assert!(said.contains("it is a folder"), "{said}");

        let made = folder.path().join("models/mine");
        check_folder(&made, "--out").unwrap();
        check_folder(folder.path(), "--out").unwrap();
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
        let said = check_folder(&path, "--out").unwrap_err().to_string();
        assert!(said.contains("a folder is expected"), "{said}");
    }
}
