//! The files that the paths of the command line stand for.

use crate::Failure;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use walkdir::{DirEntry, WalkDir};

/// A file, or standard input.
pub(crate) struct Input {
    /// What to call it.
    pub(crate) name: String,
    path: Option<PathBuf>,
}

impl Input {
    fn standard() -> Self {
        Self { name: "-".into(), path: None }
    }

    fn file(path: &Path) -> Self {
        Self { name: path.to_string_lossy().into_owned(), path: Some(path.into()) }
    }

    pub(crate) fn open(&self) -> Result<Box<dyn Read + Send>, Failure> {
        let Some(path) = &self.path else { return Ok(Box::new(io::stdin())) };
        match File::open(path) {
            Ok(file) => Ok(Box::new(file)),
            Err(error) => Err(self.failed(error)),
        }
    }

    /// The failure that says what is wrong with it.
    pub(crate) fn failed(&self, why: impl std::fmt::Display) -> Failure {
        Failure::Input(format!("{}: {why}", self.name))
    }
}

/// The files that `paths` name, and of folders the files in them and below, by name.
pub(crate) fn below(paths: &[PathBuf]) -> impl Iterator<Item = Result<Input, String>> {
    paths.iter().flat_map(|path| {
        let standard = (path == Path::new("-")).then(|| Ok(Input::standard()));
        let walk = standard.is_none().then(|| WalkDir::new(path).sort_by_file_name());
        standard.into_iter().chain(walk.into_iter().flatten().filter_map(input))
    })
}

/// An entry of a folder as an input, if it is one. What is named on the command line is taken as it is, pipes too.
fn input(entry: walkdir::Result<DirEntry>) -> Option<Result<Input, String>> {
    match entry {
        Ok(entry) => {
            let path = entry.path();
            let is_input = if entry.depth() == 0 { !path.is_dir() } else { path.is_file() };
            is_input.then(|| Ok(Input::file(path)))
        }
        Err(error) => {
            let path = error.path().unwrap_or_else(|| Path::new("?")).display();
            Some(Err(match error.io_error() {
                Some(error) => format!("{path}: {error}"),
                None => format!("{path}: a folder that contains itself"),
            }))
        }
    }
}
