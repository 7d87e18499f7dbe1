//! Which machines data are fetched from. Strangers write the URIs of jobs and models: an address inside the fetcher's own
//! network would let them knock on doors that they can't reach themselves.
//!
//! Names are resolved by [`PublicNames`] at the moment of the connection, so no second answer of a name server can lead
//! elsewhere; addresses written as numbers, which are never resolved, are looked at in the URI and in every redirect. A proxy
//! would resolve names by itself, so none is used.

use {
    reqwest::{
        ClientBuilder,
        dns::{Addrs, Name, Resolve, Resolving},
        redirect::{Attempt, Policy},
    },
    std::{
        net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
        sync::Arc,
        time::Duration,
    },
    url::{Host, Url},
};

/// What to do about an address that is not public.
const ADVICE: &str = "publish the data elsewhere, or allow it with --allow-private";
/// As many redirects as browsers and other clients follow, or fewer.
const MAX_REDIRECTS: usize = 10;

/// Refuses a URL whose host is written as the address of a machine that is not public.
pub(crate) fn check_written_address(url: &Url) -> Result<(), String> {
    let address = match url.host() {
        Some(Host::Ipv4(address)) => IpAddr::V4(address),
        Some(Host::Ipv6(address)) => IpAddr::V6(address),
        _ => return Ok(()),
    };
    match is_public(address) {
        true => Ok(()),
        false => Err(format!("{address} is not a public address; {ADVICE}")),
    }
}

/// A client for GET. Where only public machines may be asked, it connects to no other one, and uses no proxy.
pub(crate) fn client(timeout: Duration, longest: Duration, allow_private: bool) -> ClientBuilder {
    let client = reqwest::Client::builder()
        .user_agent(concat!("quern/", env!("CARGO_PKG_VERSION")))
        .timeout(longest)
        .connect_timeout(timeout.min(Duration::from_secs(10)))
        // A file has the size that its server says; what is compressed is unpacked within limits.
        .no_gzip()
        .no_brotli()
        .no_zstd()
        .no_deflate();
    match allow_private {
        true => client.redirect(Policy::limited(MAX_REDIRECTS)),
        false => client
            .dns_resolver(Arc::new(PublicNames))
            .redirect(Policy::custom(follow))
            .no_proxy(),
    }
}

fn follow(attempt: Attempt<'_>) -> reqwest::redirect::Action {
    if attempt.previous().len() > MAX_REDIRECTS {
        return attempt.error("it is redirected too often");
    }
    match check_written_address(attempt.url()) {
        Ok(()) => attempt.follow(),
        Err(why) => attempt.error(why),
    }
}

/// The system's resolver without addresses that are not public.
struct PublicNames;

impl Resolve for PublicNames {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let public: Vec<SocketAddr> = found.filter(|address| is_public(address.ip())).collect();
            if public.is_empty() {
                return Err(format!("its host has no public address; {ADVICE}").into());
            }
            Ok(Box::new(public.into_iter()) as Addrs)
        })
    }
}

/// Whether an address is one of the public internet.
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

/// Not one of the special-purpose blocks of the IANA registry.
fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let is_shared = a == 100 && (64..128).contains(&b);
    let is_protocol = a == 192 && b == 0 && c == 0;
    let is_relay = a == 192 && b == 88 && c == 99;
    let is_benchmark = a == 198 && (b == 18 || b == 19);
    !(a == 0
        || a >= 240
        || address.is_loopback()
        || address.is_private()
        || address.is_link_local()
        || address.is_multicast()
        || address.is_documentation()
        || is_shared
        || is_protocol
        || is_relay
        || is_benchmark)
}

/// Global unicast, or an embedded IPv4 address that is public.
fn is_public_v6(address: Ipv6Addr) -> bool {
    if let Some(mapped) = address.to_ipv4_mapped() {
        return is_public_v4(mapped);
    }
    let [a, b, ..] = address.segments();
    let embedded = |at: usize| {
        let octets = address.octets();
        octets
            .get(at..at + 4)
            .and_then(|four| <[u8; 4]>::try_from(four).ok())
            .is_some_and(|four| is_public_v4(Ipv4Addr::from(four)))
    };
    // NAT64 and 6to4.
    if address.segments()[..6] == [0x64, 0xff9b, 0, 0, 0, 0] {
        return embedded(12);
    }
    if a == 0x2002 {
        return embedded(2);
    }
    let is_global_unicast = a & 0xe000 == 0x2000;
    // Protocols with Teredo among them, which embeds addresses; documentation.
    let is_special = (a == 0x2001 && (b < 0x200 || b == 0xdb8)) || (a == 0x3fff && b & 0xf000 == 0);
    is_global_unicast && !is_special
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]

    use {
        super::*,
        tokio::io::{AsyncReadExt, AsyncWriteExt},
    };

    #[test]
    fn only_public_addresses_are_public() {
        for text in [
            "1.1.1.1",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "172.15.255.255",
            "172.32.0.0",
            "192.0.1.1",
            "192.167.255.255",
            "192.169.0.0",
            "198.17.255.255",
            "198.20.0.0",
            "223.255.255.255",
            "2606:4700::1111",
            "2a00::1",
            "2001:4860:4860::8888",
            "::ffff:1.1.1.1",
            "64:ff9b::101:101",
            "2002:101:101::1",
        ] {
            assert!(is_public(text.parse().unwrap()), "{text}");
        }
        for text in [
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "100.64.0.1",
            "127.0.0.1",
            "127.255.255.254",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.8",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.51.100.1",
            "203.0.113.1",
            "224.0.0.1",
            "239.255.255.250",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::7f00:1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "64:ff9b::a00:1",
            "64:ff9b:1::1",
            "100::1",
            "2001::1",
            "2001:db8::1",
            "2002:a00:1::1",
            "2002:7f00:1::1",
            "3fff::1",
            "fc00::1",
            "fd12:3456::1",
            "fe80::1",
            "fec0::1",
            "ff02::1",
        ] {
            assert!(!is_public(text.parse().unwrap()), "{text}");
        }
    }

    #[test]
    fn written_addresses_are_known_in_any_spelling() {
        for uri in [
            "http://127.0.0.1/",
            "http://127.1/",
            "http://2130706433/",
            "http://0x7f.0.0.1/",
            "http://0177.0.0.1/",
            "http://[::1]/",
            "http://[::ffff:7f00:1]/",
            "http://169.254.169.254/latest",
        ] {
            let refused = check_written_address(&Url::parse(uri).unwrap()).unwrap_err();
            assert!(refused.contains("--allow-private"), "{uri} {refused}");
        }
        for uri in [
            "http://1.1.1.1/",
            "https://example.com/",
            "http://localhost/",
        ] {
            assert!(check_written_address(&Url::parse(uri).unwrap()).is_ok());
        }
    }

    #[tokio::test]
    async fn names_of_private_machines_lead_nowhere() {
        let resolved = PublicNames.resolve("localhost".parse().unwrap()).await;
        let refused = resolved.err().unwrap().to_string();
        assert!(refused.contains("no public address"), "{refused}");
    }

    #[tokio::test]
    async fn redirects_lead_to_public_machines_only() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let port = address.port();
        tokio::spawn(async move {
            while let Ok((mut socket, _)) = listener.accept().await {
                let mut request = [0; 4096];
                let read = socket.read(&mut request).await.unwrap();
                let request = String::from_utf8_lossy(&request[..read]).into_owned();
                let target = match request.split(' ').nth(1).unwrap() {
                    "/written" => Some(format!("http://127.0.0.1:{port}/end")),
                    "/mapped" => Some(format!("http://[::ffff:127.0.0.1]:{port}/end")),
                    "/named" => Some(format!("http://localhost:{port}/end")),
                    "/round" => Some("/round".to_owned()),
                    "/public" => Some("/end".to_owned()),
                    _ => None,
                };
                let answer = match target {
                    Some(target) => format!(
                        "HTTP/1.1 302 Found\r\nLocation: {target}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
                    ),
                    None => "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"
                        .to_owned(),
                };
                let _ = socket.write_all(answer.as_bytes()).await;
            }
        });
        let usual = Duration::from_secs(5);
        // A name server that calls this machine a public one.
        let client = client(usual, usual, false).resolve("public.example", address);
        let client = client.build().unwrap();
        let get = async |path: &str| {
            let url = format!("http://public.example:{port}/{path}");
            client.get(url).send().await
        };
        for path in ["end", "public"] {
            assert_eq!(get(path).await.unwrap().text().await.unwrap(), "ok");
        }
        for path in ["written", "mapped", "named", "round"] {
            let refused = format!("{:?}", get(path).await.unwrap_err());
            let why = if path == "round" {
                "too often"
            } else {
                "--allow-private"
            };
            assert!(refused.contains(why), "{path} {refused}");
        }
    }
}
