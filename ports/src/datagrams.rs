//! Hears datagrams that anybody may send to an address of ours.
//!
//! The sender is not known, whatever the datagram says of itself, and not trusted: of what it sent only the beginning is
//! kept, and nobody is answered.

use async_trait::async_trait;
use std::{fmt::Debug, io, net::IpAddr, net::SocketAddr};
use tokio::net::UdpSocket;

/// More of a datagram is not read.
const BYTES_MOST: usize = 512;

/// Opens addresses of this machine.
#[async_trait]
pub trait Ears: Send + Sync + Debug {
    /// # Errors
    /// Why nothing can be heard there.
    async fn at(&self, address: SocketAddr) -> io::Result<Box<dyn Ear>>;
}

/// One address that is open.
#[async_trait]
pub trait Ear: Send + Sync + Debug {
    /// The next datagram: from where it says that it comes, and how it begins.
    ///
    /// # Errors
    /// When nothing more can be heard.
    async fn next(&self) -> io::Result<(IpAddr, Vec<u8>)>;
}

/// The real network.
#[derive(Clone, Copy, Default, Debug)]
pub struct NetworkEars;

#[async_trait]
impl Ears for NetworkEars {
    async fn at(&self, address: SocketAddr) -> io::Result<Box<dyn Ear>> {
        Ok(Box::new(UdpSocket::bind(address).await?))
    }
}

#[async_trait]
impl Ear for UdpSocket {
    async fn next(&self) -> io::Result<(IpAddr, Vec<u8>)> {
        let mut begins = [0; BYTES_MOST];
        let (length, from) = self.recv_from(&mut begins).await?;
        let begins = begins.get(..length).unwrap_or_default().to_vec();
        // Where one socket hears both, IPv4 comes as a kind of IPv6.
        Ok((from.ip().to_canonical(), begins))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    #[tokio::test]
    async fn what_is_sent_is_heard_with_its_sender_and_no_further_than_it_is_read() {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let to = socket.local_addr().unwrap();
        let ear: Box<dyn Ear> = Box::new(socket);
        let sender = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        sender.send_to(b"short", to).await.unwrap();
        sender.send_to(&[7; 2_000], to).await.unwrap();
        let from = IpAddr::from(Ipv4Addr::LOCALHOST);
        assert_eq!(ear.next().await.unwrap(), (from, b"short".to_vec()));
        assert_eq!(ear.next().await.unwrap(), (from, vec![7; BYTES_MOST]));
        assert!(NetworkEars.at(to).await.is_err(), "it is in use");
    }
}
