//! Progress on standard error, for people only: where it is no terminal, nothing is drawn.

use {
    indicatif::{ProgressBar, ProgressStyle},
    std::{future::Future, time::Duration},
};

/// Turns a wheel beside a message as long as something takes, from half a second on.
pub async fn during<T>(message: &'static str, work: impl Future<Output = T>) -> T {
    tokio::pin!(work);
    tokio::select! {
        done = &mut work => return done,
        () = tokio::time::sleep(Duration::from_millis(500)) => {}
    }
    let wheel = ProgressBar::new_spinner().with_message(message);
    wheel.enable_steady_tick(Duration::from_millis(120));
    let done = work.await;
    wheel.finish_and_clear();
    done
}

/// A bar with this many steps.
pub fn bar(steps: u64, message: &'static str) -> ProgressBar {
    let bar = ProgressBar::new(steps).with_message(message);
    if let Ok(style) = ProgressStyle::with_template("{msg} [{bar:32}] {pos}/{len} ({eta})") {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(250));
    bar
}

/// A wheel beside what is being done, for work that waits for nothing.
pub struct Wheel(ProgressBar);

impl Wheel {
    /// Turns at once.
    pub fn new(what: &'static str) -> Self {
        let wheel = ProgressBar::new_spinner().with_message(what);
        wheel.enable_steady_tick(Duration::from_millis(120));
        Self(wheel)
    }

    /// What is being done now.
    pub fn say(&self, what: &'static str) {
        self.0.set_message(what);
    }
}

impl Drop for Wheel {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
