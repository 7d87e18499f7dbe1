//! Starting and stopping the network's threads.

use {
    crate::error::{LocalNetError, Result},
    crossbeam_channel::{Receiver, RecvTimeoutError, Sender, unbounded},
    quern_client::Pubkey,
    std::{
        net::{Ipv4Addr, TcpListener},
        thread,
        time::{Duration, Instant},
    },
    surfpool_core::{
        runloops::start_local_surfnet_runloop,
        surfnet::{
            locker::SurfnetSvmLocker,
            svm::{SurfnetSvm, SurfnetSvmConfig},
        },
    },
    surfpool_types::{
        BlockProductionMode, RpcConfig, SimnetCommand, SimnetConfig, SimnetEvent, SurfpoolConfig,
        SvmFeatureConfig,
    },
};

const START_TIMEOUT: Duration = Duration::from_secs(60);
const STOP_TIMEOUT: Duration = Duration::from_secs(5);
/// RPC and WebSocket, which report their end one by one.
const SERVERS: usize = 2;

/// Features that the program needs: sBPFv3, and its entry point with the instruction's data in a register.
const FEATURES: [Pubkey; 2] = [
    Pubkey::from_str_const("5cC3foj77CWun58pC51ebHFUWavHWKarWyR5UUik7dnC"),
    Pubkey::from_str_const("5xXZc66h4UdB6Yq7FzdBxBiRAFMMScMLwHxk2QZDaNZL"),
];

/// A running network; stops when dropped.
pub struct Surfnet {
    commands: Sender<SimnetCommand>,
    shutdowns: Receiver<()>,
    stopped: bool,
}

impl Surfnet {
    /// Starts the threads and waits until requests are answered. Blocks.
    pub fn start(rpc_port: u16, ws_port: u16, slot_ms: u64) -> Result<Self> {
        let simnet = SimnetConfig {
            offline_mode: true,
            remote_rpc_url: None,
            slot_time: slot_ms,
            block_production_mode: BlockProductionMode::Clock,
            // Profiling runs every instruction a second time.
            instruction_profiling_enabled: false,
            ..SimnetConfig::default()
        };
        let svm_config = SurfnetSvmConfig {
            surfnet_id: simnet.surfnet_id.clone(),
            feature_config: FEATURES
                .into_iter()
                .fold(SvmFeatureConfig::default(), SvmFeatureConfig::enable),
            slot_time: simnet.slot_time,
            instruction_profiling_enabled: simnet.instruction_profiling_enabled,
            max_profiles: simnet.max_profiles,
            log_bytes_limit: simnet.log_bytes_limit,
            skip_blockhash_check: simnet.skip_blockhash_check,
        };
        let config = SurfpoolConfig {
            simnets: vec![simnet],
            rpc: RpcConfig {
                bind_host: Ipv4Addr::LOCALHOST.to_string(),
                bind_port: rpc_port,
                ws_port,
                ..RpcConfig::default()
            },
            ..SurfpoolConfig::default()
        };
        let (svm, events, geyser_events) =
            SurfnetSvm::new(svm_config).map_err(|error| LocalNetError::Start(error.to_string()))?;
        let (commands, received_commands) = unbounded();
        let (ended, has_ended) = unbounded();
        let own_commands = commands.clone();
        let run = move || {
            let outcome = tokio::runtime::Builder::new_multi_thread()
                .enable_all()
                .build()
                .map_err(|error| error.to_string())
                .and_then(|runtime| {
                    let network = start_local_surfnet_runloop(
                        SurfnetSvmLocker::new(svm),
                        config,
                        own_commands,
                        received_commands,
                        geyser_events,
                    );
                    let outcome = runtime.block_on(network).map_err(|error| error.to_string());
                    runtime.shutdown_background();
                    outcome
                });
            // Nobody may be waiting any more.
            let _ = ended.send(outcome);
        };
        spawn("quern-localnet", run)?;
        wait_until_ready(&events, &has_ended)?;
        Ok(Self {
            commands,
            shutdowns: drain(events)?,
            stopped: false,
        })
    }

    /// Stops both servers and frees their ports. Blocks for at most a few seconds.
    pub fn stop(&mut self) {
        if std::mem::replace(&mut self.stopped, true)
            || self.commands.send(SimnetCommand::Terminate(None)).is_err()
        {
            return;
        }
        let deadline = Instant::now() + STOP_TIMEOUT;
        for _ in 0..SERVERS {
            if self.shutdowns.recv_deadline(deadline).is_err() {
                tracing::warn!(
                    "the local network did not confirm its end; its ports may stay in use"
                );
                return;
            }
        }
    }
}

impl Drop for Surfnet {
    fn drop(&mut self) {
        self.stop();
    }
}

fn spawn(name: &str, run: impl FnOnce() + Send + 'static) -> Result<()> {
    let spawned = thread::Builder::new().name(name.to_owned()).spawn(run);
    spawned
        .map(|_| ())
        .map_err(|error| LocalNetError::Start(error.to_string()))
}

fn wait_until_ready(
    events: &Receiver<SimnetEvent>,
    has_ended: &Receiver<std::result::Result<(), String>>,
) -> Result<()> {
    let deadline = Instant::now() + START_TIMEOUT;
    loop {
        match events.recv_timeout(Duration::from_millis(50)) {
            Ok(SimnetEvent::CoreStarted(_)) => return Ok(()),
            Ok(SimnetEvent::Aborted(reason)) => return Err(LocalNetError::Start(reason)),
            Ok(_) => {}
            Err(RecvTimeoutError::Disconnected) => {
                return Err(LocalNetError::Start("it ended at once".to_owned()));
            }
            Err(RecvTimeoutError::Timeout) => {
                if let Ok(outcome) = has_ended.try_recv() {
                    let reason = outcome
                        .err()
                        .unwrap_or_else(|| "it ended at once".to_owned());
                    return Err(LocalNetError::Start(reason));
                }
                if Instant::now() > deadline {
                    return Err(LocalNetError::Start(format!(
                        "no answer for {} s",
                        START_TIMEOUT.as_secs()
                    )));
                }
            }
        }
    }
}

/// Takes the network's events away, which would otherwise pile up, and passes on when a server ended.
fn drain(events: Receiver<SimnetEvent>) -> Result<Receiver<()>> {
    let (ended, shutdowns) = unbounded();
    spawn("quern-localnet-events", move || {
        for event in events {
            match event {
                // Nobody may be waiting any more.
                SimnetEvent::Shutdown => drop(ended.send(())),
                SimnetEvent::ErrorLog(_, message) => tracing::error!("local network: {message}"),
                SimnetEvent::WarnLog(_, message) => tracing::debug!("local network: {message}"),
                _ => {}
            }
        }
    })?;
    Ok(shutdowns)
}

/// Checks the wanted ports, or finds free ones; both are held until both are found, so they differ.
pub fn ports(rpc_port: Option<u16>, ws_port: Option<u16>) -> Result<(u16, u16)> {
    let rpc = listen(rpc_port)?;
    let ws = listen(ws_port)?;
    let port = |listener: &TcpListener| {
        listener
            .local_addr()
            .map(|address| address.port())
            .map_err(|error| LocalNetError::Start(error.to_string()))
    };
    Ok((port(&rpc)?, port(&ws)?))
}

fn listen(wanted: Option<u16>) -> Result<TcpListener> {
    let port = wanted.unwrap_or(0);
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).map_err(|error| match error.kind() {
        std::io::ErrorKind::AddrInUse => LocalNetError::PortInUse(port),
        _ => LocalNetError::Port {
            port,
            reason: error.to_string(),
        },
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_port_in_use_is_named() {
        let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = taken.local_addr().unwrap().port();
        let error = ports(Some(port), None).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!(
                "port {port} is in use; stop the other network, or choose another port with --rpc-port and --ws-port"
            )
        );
        assert!(ports(None, Some(port)).is_err());
    }

    #[test]
    fn free_ports_differ() {
        let (rpc, ws) = ports(None, None).unwrap();
        assert_ne!(rpc, ws);
    }
}
