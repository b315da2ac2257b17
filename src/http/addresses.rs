//! How many sockets there are, and how many each address has open, where that is bounded.

use super::App;
use super::error::ApiError;
use crate::domain::network_of;
use actix_web::http::header::HeaderMap;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The open sockets by address; cheap to clone, one count for all workers.
#[derive(Clone, Debug)]
pub(crate) struct Addresses {
    /// The bound for one address; 0 for none.
    limit: usize,
    /// The places for all of them.
    all: Arc<Semaphore>,
    /// The numbers; an address without a socket has no entry.
    open: Arc<Mutex<HashMap<IpAddr, usize>>>,
}

/// One socket under its address; given back when dropped.
#[derive(Debug)]
pub(crate) struct AddressPlace {
    /// The address, its network for IPv6.
    address: IpAddr,
    /// Where it counts; nowhere if there is no bound.
    addresses: Option<Addresses>,
    /// Its place among all.
    _all: OwnedSemaphorePermit,
}

/// What a connection takes when it is asked for.
pub(super) struct TakenPlaces {
    /// Where it comes from.
    pub(super) address: Option<IpAddr>,
    /// Its place under that address.
    pub(super) place: Option<AddressPlace>,
    /// Its place among those that have not identified.
    pub(super) waiting: Option<AddressPlace>,
}

impl TakenPlaces {
    /// Takes them for who asks with these headers; `peer` is where the stream comes from.
    ///
    /// # Errors
    /// As [`Addresses::take`].
    pub(super) fn take(
        app: &App,
        peer: Option<IpAddr>,
        headers: &HeaderMap,
    ) -> Result<Self, ApiError> {
        let address = peer.map(|peer| app.proxies.client_of(peer, headers));
        let place = address.map(|address| app.addresses.take(address)).transpose()?;
        let waiting = address.map(|address| app.unidentified.take(address)).transpose()?;
        Ok(Self { address, place, waiting })
    }
}

impl Addresses {
    /// Nothing open; so many of one address and so many in all, 0 for no bound.
    pub(crate) fn new(limit: usize, all: usize) -> Self {
        let all = if all == 0 { Semaphore::MAX_PERMITS } else { all.min(Semaphore::MAX_PERMITS) };
        Self { limit, all: Arc::new(Semaphore::new(all)), open: Arc::default() }
    }

    /// Takes a place for a socket.
    ///
    /// # Errors
    /// [`ApiError::RateLimited`] at the address's bound, [`ApiError::Overloaded`] at that of all.
    pub(crate) fn take(&self, address: IpAddr) -> Result<AddressPlace, ApiError> {
        if self.limit == 0 {
            return self.take_any(address);
        }
        let all = self.place()?;
        let address = network_of(address);
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let count = open.entry(address).or_default();
        if *count >= self.limit {
            return Err(ApiError::RateLimited(self.limit));
        }
        *count += 1;
        Ok(AddressPlace { address, addresses: Some(self.clone()), _all: all })
    }

    /// Takes a place among all, for what does not count under its address.
    ///
    /// # Errors
    /// [`ApiError::Overloaded`].
    pub(crate) fn take_any(&self, address: IpAddr) -> Result<AddressPlace, ApiError> {
        Ok(AddressPlace { address, addresses: None, _all: self.place()? })
    }

    /// A place among all.
    fn place(&self) -> Result<OwnedSemaphorePermit, ApiError> {
        Arc::clone(&self.all).try_acquire_owned().ok().ok_or(ApiError::Overloaded)
    }
}

impl Drop for AddressPlace {
    fn drop(&mut self) {
        let Some(addresses) = &self.addresses else { return };
        let mut open = addresses.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = open.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                open.remove(&self.address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bound_holds_and_places_come_back() {
        let addresses = Addresses::new(2, 0);
        let one = IpAddr::from([127, 0, 0, 1]);
        let first = addresses.take(one).unwrap();
        let _second = addresses.take(one).unwrap();
        assert!(matches!(addresses.take(one), Err(ApiError::RateLimited(2))));
        assert!(addresses.take(IpAddr::from([127, 0, 0, 2])).is_ok());
        drop(first);
        assert!(addresses.take(one).is_ok());
        assert_eq!(addresses.open.lock().unwrap().len(), 1);
    }

    #[test]
    fn a_network_of_ipv6_counts_as_one() {
        let addresses = Addresses::new(1, 0);
        let _place = addresses.take("2001:db8::1".parse().unwrap()).unwrap();
        assert!(addresses.take("2001:db8::2".parse().unwrap()).is_err());
        assert!(addresses.take("2001:db8:0:1::1".parse().unwrap()).is_ok());
    }

    #[test]
    fn all_sockets_together_have_a_bound_too() {
        let addresses = Addresses::new(0, 2);
        let one = |n| addresses.take(IpAddr::from([192, 0, 2, n]));
        let first = one(1).unwrap();
        let _second = one(2).unwrap();
        assert!(matches!(one(3), Err(ApiError::Overloaded)));
        drop(first);
        assert!(one(3).is_ok());
    }
}
