//! The `quern` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    quern_cli::main()
}
