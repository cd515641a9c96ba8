//! Skipping steps whose inputs have not changed.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use sha2::{Digest, Sha256};

use crate::process::target;

/// Runs `step` unless it ran before with these very inputs and its output is still there.
///
/// `inputs` are files or folders, read in full. `recipe` is what else decides the result: flags, a version.
///
/// # Errors
/// Those of `step`, and unreadable inputs.
pub(crate) fn unless_fresh(
    name: &str,
    inputs: &[PathBuf],
    recipe: &str,
    output: &Path,
    step: impl FnOnce() -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let stamp = target().join("xtask").join(format!("{name}.stamp"));
    let mut hash = Sha256::new();
    hash.update(recipe);
    for input in inputs {
        digest(input, &mut hash)?;
    }
    let fresh = data_encoding::HEXLOWER.encode(&hash.finalize());
    if output.exists() && fs::read_to_string(&stamp).is_ok_and(|made| made == fresh) {
        return Ok(());
    }
    step()?;
    if let Some(folder) = stamp.parent() {
        fs::create_dir_all(folder)?;
    }
    Ok(fs::write(stamp, fresh)?)
}

fn digest(path: &Path, hash: &mut Sha256) -> io::Result<()> {
    if path.is_dir() {
        let mut entries =
            fs::read_dir(path)?.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>()?;
        entries.sort();
        return entries.iter().try_for_each(|entry| digest(entry, hash));
    }
    let content = fs::read(path)?;
    hash.update(path.as_os_str().as_encoded_bytes());
    hash.update((content.len() as u64).to_be_bytes());
    hash.update(content);
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::{cell::Cell, fs};

    use super::{target, unless_fresh};

    #[test]
    fn a_step_runs_again_only_when_an_input_or_the_output_changed() {
        let folder = target().join("xtask").join(format!("stamp-test-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let (input, output) = (folder.join("in"), folder.join("out"));
        let runs = Cell::new(0);
        let step = |recipe: &str| {
            let name = format!("stamp-test-{}", std::process::id());
            unless_fresh(&name, std::slice::from_ref(&input), recipe, &output, || {
                runs.set(runs.get() + 1);
                Ok(fs::write(&output, "made")?)
            })
            .unwrap();
            runs.get()
        };
        fs::write(&input, "a").unwrap();
        assert_eq!((step("x"), step("x")), (1, 1));
        fs::write(&input, "b").unwrap();
        assert_eq!((step("x"), step("x"), step("y")), (2, 2, 3));
        fs::remove_file(&output).unwrap();
        assert_eq!(step("y"), 4);
        fs::remove_dir_all(&folder).unwrap();
    }
}
