//! Has a command of the owner do the work: the way to serve reviewed jobs with any software.
//!
//! The command gets the order as one JSON object on its standard input and answers with one on its standard output: either
//! `{"output_file": "answer.txt"}`, a file in the order's folder, which the agent publishes and commits to by its SHA-256; or
//! `{"checkpoint_root": "<64 hexadecimal digits>", "output_uri": "https://…"}`, where it has published the data by itself. It is
//! stopped when the time is over. Each line that it writes to standard error is logged.

use {
    super::{Output, WorkOrder, WorkResult, Worker, process},
    crate::error::{ProviderError, Result},
    async_trait::async_trait,
    quern_data::{DataError, any_file},
    quern_proof::hash::MISSING,
    serde::Deserialize,
    std::{
        fs::{self, File},
        io::Read,
        path::PathBuf,
        time::Duration,
    },
};

/// Longest name of an output file: with the job's address before it, it is a part of a URI.
pub(crate) const MAX_NAME_BYTES: usize = 32;
/// Longest time for a check.
const CHECK_TIMEOUT: Duration = Duration::from_secs(30);

/// Runs a command for every milestone.
#[derive(Clone, Debug)]
pub struct CommandWorker {
    /// The program.
    pub program: PathBuf,
    /// Its arguments.
    pub args: Vec<String>,
    /// The argument with which it says whether it could work, if it can.
    pub check_arg: Option<String>,
    /// Longest time for a milestone; the job's deadline bounds it, too.
    pub timeout: Duration,
    /// Largest output file.
    pub max_output_bytes: u64,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Answer {
    File {
        output_file: String,
    },
    Published {
        #[serde(with = "hex")]
        checkpoint_root: [u8; 32],
        output_uri: String,
    },
}

#[async_trait]
impl Worker for CommandWorker {
    async fn work(&self, order: &WorkOrder) -> Result<WorkResult> {
        let left = Duration::from_secs(u64::try_from(order.seconds_left).unwrap_or(0));
        let timeout = self.timeout.min(left);
        match tokio::time::timeout(timeout, self.run(order)).await {
            Ok(result) => result,
            // Dropping the command's future has killed it.
            Err(_) => {
                Err(self.failed(&format!("it did not finish within {} s", timeout.as_secs())))
            }
        }
    }

    async fn check(&self, order: Option<&WorkOrder>) -> Result<()> {
        let Some(check_arg) = &self.check_arg else {
            return Ok(());
        };
        let unready = |why: &str| ProviderError::Unready(self.says(why));
        let args = self.args.iter().chain([check_arg]);
        let input = match order {
            Some(order) => {
                serde_json::to_vec(order).map_err(|error| unready(&error.to_string()))?
            }
            None => Vec::new(),
        };
        let run = process::run(&self.program, args, &input);
        match tokio::time::timeout(CHECK_TIMEOUT, run).await {
            Ok(run) => run.map(drop).map_err(|why| unready(&why)),
            Err(_) => Err(unready(&format!(
                "its check did not finish within {} s",
                CHECK_TIMEOUT.as_secs()
            ))),
        }
    }
}

impl CommandWorker {
    fn says(&self, why: &str) -> String {
        format!("{}: {why}", self.program.display())
    }

    fn failed(&self, why: &str) -> ProviderError {
        ProviderError::Worker(self.says(why))
    }

    async fn run(&self, order: &WorkOrder) -> Result<WorkResult> {
        let input = serde_json::to_vec(order).map_err(|error| self.failed(&error.to_string()))?;
        let answer = process::run(&self.program, &self.args, &input).await;
        let answer = answer.map_err(|why| self.failed(&why))?;
        let answer: Answer = serde_json::from_slice(&answer).map_err(|_| {
            self.failed(
                "its answer is neither {\"output_file\": name} nor {\"checkpoint_root\": 64 hexadecimal digits, \"output_uri\": text}",
            )
        })?;
        match answer {
            Answer::File { output_file } => self.output_file(order, &output_file),
            Answer::Published {
                checkpoint_root,
                output_uri,
            } => self.published(checkpoint_root, output_uri),
        }
    }

    /// What the worker has published by itself.
    fn published(&self, root: [u8; 32], uri: String) -> Result<WorkResult> {
        // It is written for ever, and the client follows it.
        if !uri.is_empty() {
            quern_data::check_uri(&uri).map_err(|error| match error {
                DataError::BadUri { why, .. } => self.failed(&format!("its output_uri: {why}")),
                error => self.failed(&error.to_string()),
            })?;
        }
        Ok(WorkResult {
            root,
            tokens_root: MISSING,
            output: Output::At(uri),
        })
    }

    /// A file that the worker has written into the order's folder.
    fn output_file(&self, order: &WorkOrder, name: &str) -> Result<WorkResult> {
        let failed = |why: &str| self.failed(&format!("its output_file: {why}"));
        if !is_file_name(name) {
            return Err(failed(
                "name a file in the order's folder: up to 32 letters, digits, `.`, `-` and `_`, with a `.` in between",
            ));
        }
        let path = order.folder.join(name);
        let unread = |error: std::io::Error| failed(&format!("{}: {error}", path.display()));
        // A link would lead to what nobody meant to publish.
        let found = fs::symlink_metadata(&path).map_err(unread)?;
        if !found.is_file() {
            return Err(failed(&format!("{} is no file", path.display())));
        }
        let mut bytes = Vec::new();
        let mut file = File::open(&path).map_err(unread)?;
        let most = self.max_output_bytes;
        let read = file.by_ref().take(most.saturating_add(1));
        let length = { read }.read_to_end(&mut bytes).map_err(unread)?;
        if length as u64 > most {
            return Err(failed(&format!(
                "it holds more than {} MiB; raise --max-data",
                most >> 20
            )));
        }
        let root = any_file::root(&bytes)
            .ok_or_else(|| failed("it looks like a part of a tensor's tree; write it in another form, such as with one more byte"))?;
        Ok(WorkResult {
            root,
            tokens_root: MISSING,
            output: Output::Files(vec![(name.to_owned(), bytes)]),
        })
    }
}

/// Whether a name can stand in a URI and beside the agent's own files, which have no ending.
fn is_file_name(name: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
    let has_ending = name
        .split_once('.')
        .is_some_and(|(stem, ending)| !stem.is_empty() && !ending.is_empty());
    has_ending && name.len() <= MAX_NAME_BYTES && name.bytes().all(is_plain)
}

#[cfg(all(test, unix))]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]

    use {super::*, quern_proof::hash::hash};

    fn order() -> WorkOrder {
        WorkOrder {
            job: "job".to_owned(),
            client: "client".to_owned(),
            provider: "provider".to_owned(),
            model: None,
            kind: "training",
            assurance: "reviewed",
            milestone: 1,
            milestones: 3,
            submission: 2,
            items: 0,
            deadline: 100,
            seconds_left: 60,
            input_uri: String::new(),
            input_file: None,
            model_uri: String::new(),
            checkpoint_root: Some("07".repeat(32)),
            checkpoint_uri: None,
            folder: PathBuf::new(),
            tensors: None,
            items_at_once: 1,
        }
    }

    fn worker(script: &str, timeout: Duration) -> CommandWorker {
        CommandWorker {
            program: "sh".into(),
            args: vec!["-c".to_owned(), script.to_owned()],
            check_arg: None,
            timeout,
            max_output_bytes: 1 << 20,
        }
    }

    async fn shell(script: &str, timeout: Duration) -> Result<WorkResult> {
        worker(script, timeout).work(&order()).await
    }

    const MINUTE: Duration = Duration::from_secs(60);

    #[tokio::test]
    async fn hands_the_order_over_and_reads_the_answer() {
        let script = r#"grep -q '"milestone":1' && printf '{"checkpoint_root":"%064d","output_uri":"https://example.com/a"}' 0"#;
        let result = shell(script, MINUTE).await.unwrap();
        assert_eq!(
            result,
            WorkResult {
                root: [0; 32],
                tokens_root: MISSING,
                output: Output::At("https://example.com/a".to_owned())
            }
        );
        // Without reading the order at all.
        assert!(
            shell(
                r#"printf '{"checkpoint_root":"%064d","output_uri":""}' 0"#,
                MINUTE
            )
            .await
            .is_ok()
        );
    }

    #[tokio::test]
    async fn bad_commands_get_a_sentence() {
        let long = format!(
            r#"printf '{{"checkpoint_root":"%064d","output_uri":"{}"}}' 0"#,
            "a".repeat(201)
        );
        let cases = [
            ("exit 3", "ended with"),
            ("true", "checkpoint_root"),
            ("echo nonsense", "checkpoint_root"),
            (
                r#"echo '{"checkpoint_root":"00","output_uri":""}'"#,
                "checkpoint_root",
            ),
            ("yes", "64 KiB"),
            (&long, "200 bytes"),
            // Written for ever, and nobody could follow it.
            (
                r#"printf '{"checkpoint_root":"%064d","output_uri":"ipfs://bafy"}' 0"#,
                "only http, https and file",
            ),
            (
                r#"printf '{"checkpoint_root":"%064d","output_uri":"https://me:pass@example.com/a"}' 0"#,
                "user name",
            ),
        ];
        for (script, part) in cases {
            let refused = shell(script, MINUTE).await.unwrap_err().to_string();
            assert!(refused.contains(part), "{script}: {refused}");
        }
        let slow = shell("sleep 60", Duration::from_millis(200))
            .await
            .unwrap_err()
            .to_string();
        assert!(slow.contains("did not finish"), "{slow}");
        let missing = CommandWorker {
            program: "/nowhere/command".into(),
            ..worker("", MINUTE)
        };
        assert!(missing.work(&order()).await.is_err());
    }

    /// A program needs neither hashes nor a web server: it writes a file, and the agent does the rest.
    #[tokio::test]
    async fn a_file_in_the_folder_is_the_output() {
        let folder = tempfile::tempdir().unwrap();
        let order = WorkOrder {
            folder: folder.path().to_owned(),
            ..order()
        };
        let write = async |script: &str| {
            let script = format!("cd '{}' && {script}", folder.path().display());
            worker(&script, MINUTE).work(&order).await
        };
        let done = write(r#"printf hello >answer.txt && echo '{"output_file":"answer.txt"}'"#)
            .await
            .unwrap();
        let files = vec![("answer.txt".to_owned(), b"hello".to_vec())];
        assert_eq!(done.root, hash(&[b"hello"]));
        assert_eq!(done.output, Output::Files(files));

        std::fs::write(folder.path().join("secret"), "secret").unwrap();
        let long = format!(r#"echo '{{"output_file":"{}.txt"}}'"#, "a".repeat(29));
        for (script, part) in [
            (r#"echo '{"output_file":"none.txt"}'"#, "none.txt"),
            (
                r#"echo '{"output_file":"../answer.txt"}'"#,
                "order's folder",
            ),
            (
                r#"echo '{"output_file":"/etc/host.conf"}'"#,
                "order's folder",
            ),
            (r#"echo '{"output_file":"work"}'"#, "order's folder"),
            (r#"echo '{"output_file":".."}'"#, "order's folder"),
            (&long, "32 letters"),
            (
                r#"ln -s secret a.txt && echo '{"output_file":"a.txt"}'"#,
                "no file",
            ),
            (r#"mkdir b.d && echo '{"output_file":"b.d"}'"#, "no file"),
            (
                r#"head -c 1048577 /dev/zero >c.bin && echo '{"output_file":"c.bin"}'"#,
                "--max-data",
            ),
        ] {
            let refused = write(script).await.unwrap_err().to_string();
            assert!(refused.contains(part), "{script}: {refused}");
        }
    }

    /// What a program says last is what its owner has to mend.
    #[tokio::test]
    async fn the_last_line_of_a_failure_is_told() {
        let failed = shell(
            "echo first >&2; echo the server is down >&2; exit 7",
            MINUTE,
        );
        let said = failed.await.unwrap_err().to_string();
        assert!(said.contains("`the server is down`"), "{said}");
        assert!(
            said.contains("exit status: 7") && !said.contains("first"),
            "{said}"
        );
        // A process that it left behind holds neither the answer nor the next job up.
        let left =
            r#"sleep 100 >/dev/null & printf '{"checkpoint_root":"%064d","output_uri":""}' 0"#;
        assert!(shell(left, MINUTE).await.is_ok());
    }

    #[tokio::test]
    async fn a_check_sees_the_order_before_the_job_is_taken() {
        let checks = |script: &str| CommandWorker {
            check_arg: Some("--check".to_owned()),
            ..worker(script, MINUTE)
        };
        // The argument after a script is its name.
        let asked = checks(r#"test "$0" = --check && ! grep -q '"kind":"training"'"#);
        asked.check(None).await.unwrap();
        assert!(asked.check(Some(&order())).await.is_err());
        let down = checks("echo nobody answers >&2; exit 1").check(None).await;
        let said = down.unwrap_err();
        assert!(matches!(said, ProviderError::Unready(_)), "{said}");
        assert!(said.to_string().contains("nobody answers"), "{said}");
        // Without one, everything is taken.
        worker("exit 1", MINUTE).check(None).await.unwrap();
    }
}
