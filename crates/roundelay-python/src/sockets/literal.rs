//! Addresses that need no looking up: those of which asyncio says itself what they resolve to.

use crate::imports::names;
use crate::native::{Ref, Result, integer, tuple};
use crate::system::address::{Family, Target, integer_of, is_v4, is_v6, plain, text};

/// What stands for a literal address in the list that resolving gives.
pub struct Resolved {
    /// The address as sockets take it: `(host, port)`, and flow and scope for IPv6.
    pub address: Ref,
    /// Which family it is of.
    pub family: Family,
    /// The same for the system; nothing if it would be refused (a port that is too large).
    pub target: Option<Target>,
}

/// `_ipaddr_info()` of a host, a port and what follows them, for a stream or datagram socket of one of `families`
/// (tried in order), whose protocol is the usual one. Nothing comes back for a name, and for whatever is not
/// written as most are: asyncio's own function knows what to do with it.
pub fn resolve(
    host: &Ref,
    port: &Ref,
    rest: &[Ref],
    families: &[Family],
) -> Result<Option<Resolved>> {
    let Some(name) = text(host) else {
        return Ok(None);
    };
    let port = if port.is_none() {
        names().zero.clone()
    } else if integer_of(port).is_some() {
        port.clone()
    } else {
        return Ok(None);
    };
    for family in families {
        let address = match family {
            Family::V4 if is_v4(name) => tuple(&[host, &port])?,
            Family::V6 if is_v6(name) => {
                let part = |place: usize| rest.get(place).cloned().map_or_else(|| integer(0), Ok);
                tuple(&[host, &port, &part(0)?, &part(1)?])?
            }
            _ => continue,
        };
        return Ok(Some(Resolved {
            family: *family,
            target: plain(*family, &address),
            address,
        }));
    }
    Ok(None)
}
