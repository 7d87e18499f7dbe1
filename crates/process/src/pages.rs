//! Man pages and completions of a command, written from what the command itself says.

use {
    clap::Command,
    clap_complete::{Shell, generate},
    std::{
        fs::{self, File},
        io,
        path::Path,
    },
};

/// Where a package puts the completions of each shell, and how it names them.
const COMPLETIONS: [(Shell, &str, &str, &str); 3] = [
    (Shell::Bash, "bash-completion/completions", "", ""),
    (Shell::Zsh, "zsh/site-functions", "_", ""),
    (Shell::Fish, "fish/vendor_completions.d", "", ".fish"),
];

/// Writes a man page for a command and each of its subcommands, and completions, below a folder such as `/usr/share`.
///
/// # Errors
/// As the file system says.
pub fn write(mut command: Command, folder: &Path) -> io::Result<()> {
    let name = command.get_name().to_owned();
    for (shell, place, before, behind) in COMPLETIONS {
        let place = folder.join(place);
        fs::create_dir_all(&place)?;
        let mut file = File::create(place.join(format!("{before}{name}{behind}")))?;
        generate(shell, &mut command, &name, &mut file);
    }
    let manual = folder.join("man/man1");
    fs::create_dir_all(&manual)?;
    clap_mangen::generate_to(command, manual)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_package_finds_a_page_for_every_command_and_completions_for_every_shell() {
        let folder = tempfile::tempdir().unwrap();
        let job = Command::new("job").about("Buy compute");
        let job = job.subcommand(Command::new("create").about("Create a job"));
        let hidden = Command::new("secret").hide(true);
        let command = Command::new("quern").subcommand(job).subcommand(hidden);
        write(command, folder.path()).unwrap();
        for (file, wanted) in [
            ("man/man1/quern.1", "quern\\-job(1)"),
            ("man/man1/quern-job-create.1", "Create a job"),
            ("bash-completion/completions/quern", "create"),
            ("zsh/site-functions/_quern", "create"),
            ("fish/vendor_completions.d/quern.fish", "create"),
        ] {
            let text = fs::read_to_string(folder.path().join(file)).unwrap();
            assert!(text.contains(wanted), "{file}: {text}");
        }
        assert!(!folder.path().join("man/man1/quern-secret.1").exists());
    }
}
