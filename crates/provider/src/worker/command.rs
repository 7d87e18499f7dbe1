//! Has a command of the owner do the work: the way to serve reviewed jobs with any software.
//!
//! The command gets the order as one JSON object on its standard input and answers with one on its standard output:
//! `{"checkpoint_root": "<64 hexadecimal digits>", "output_uri": "https://…"}`. By then it has published the data there.
//! It is stopped when the time is over.

use {
    super::{Output, WorkOrder, WorkResult, Worker},
    crate::error::{ProviderError, Result},
    async_trait::async_trait,
    quern_data::{DataError, excerpt},
    serde::Deserialize,
    std::{path::PathBuf, process::Stdio, time::Duration},
    tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        process::Command,
    },
};

/// Most bytes that a command may answer with.
const MAX_ANSWER_BYTES: u64 = 64 * 1024;

/// Runs a command for every milestone.
#[derive(Clone, Debug)]
pub struct CommandWorker {
    /// The program.
    pub program: PathBuf,
    /// Its arguments.
    pub args: Vec<String>,
    /// Longest time for a milestone; the job's deadline bounds it, too.
    pub timeout: Duration,
}

#[derive(Deserialize)]
struct Answer {
    #[serde(with = "hex")]
    checkpoint_root: [u8; 32],
    output_uri: String,
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
}

impl CommandWorker {
    fn failed(&self, why: &str) -> ProviderError {
        ProviderError::Worker(format!("{}: {}", self.program.display(), excerpt(why)))
    }

    async fn run(&self, order: &WorkOrder) -> Result<WorkResult> {
        let failed = |why: &dyn std::fmt::Display| self.failed(&why.to_string());
        let input = serde_json::to_vec(order).map_err(|error| failed(&error))?;
        let mut child = Command::new(&self.program)
            .args(&self.args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| failed(&error))?;
        let (mut stdin, stdout) = match (child.stdin.take(), child.stdout.take()) {
            (Some(stdin), Some(stdout)) => (stdin, stdout),
            _ => return Err(failed(&"its standard streams cannot be used")),
        };
        let feed = async {
            // A command may answer without reading everything; then the pipe breaks, which is its own affair.
            let _ = stdin.write_all(&input).await;
            drop(stdin);
        };
        let mut answer = Vec::new();
        let mut bounded = stdout.take(MAX_ANSWER_BYTES + 1);
        let ((), read) = tokio::join!(feed, bounded.read_to_end(&mut answer));
        read.map_err(|error| failed(&error))?;
        if answer.len() as u64 > MAX_ANSWER_BYTES {
            return Err(failed(&"it answered more than 64 KiB"));
        }
        let status = child.wait().await.map_err(|error| failed(&error))?;
        if !status.success() {
            return Err(failed(&format!("it ended with {status}")));
        }
        let answer: Answer = serde_json::from_slice(&answer).map_err(|error| {
            failed(&format!(
                "its answer is not {{\"checkpoint_root\": hex, \"output_uri\": text}}: {error}"
            ))
        })?;
        // It is written for ever, and the client follows it.
        if !answer.output_uri.is_empty() {
            quern_data::check_uri(&answer.output_uri).map_err(|error| match error {
                DataError::BadUri { why, .. } => failed(&format!("its output_uri: {why}")),
                error => failed(&error),
            })?;
        }
        Ok(WorkResult {
            root: answer.checkpoint_root,
            output: Output::At(answer.output_uri),
        })
    }
}

#[cfg(all(test, unix))]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]

    use super::*;

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
            batch_rows: 0,
            deadline: 100,
            seconds_left: 60,
            input_uri: String::new(),
            input_file: None,
            model_uri: String::new(),
            checkpoint_root: Some("07".repeat(32)),
            checkpoint_uri: None,
            folder: PathBuf::new(),
            tensors: None,
        }
    }

    async fn shell(script: &str, timeout: Duration) -> Result<WorkResult> {
        let args = vec!["-c".to_owned(), script.to_owned()];
        CommandWorker {
            program: "sh".into(),
            args,
            timeout,
        }
        .work(&order())
        .await
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
            args: Vec::new(),
            timeout: MINUTE,
        };
        assert!(missing.work(&order()).await.is_err());
    }
}
