//! The order in which the hosts of a service are tried (RFC 2782, "Usage rules").

use super::known::Service;
use crate::rng::{Rng, by_weight};

/// By priority; among equals by lot, in proportion to their weights.
pub(super) fn in_order(services: &[Service], rng: &mut Rng) -> Vec<Service> {
    let mut left = services.to_vec();
    // The same records give the same order for the same random numbers, in whatever order a server sends them. "Arrange all SRV
    // RRs [...] in any order, except that all those with weight 0 are placed at the beginning of the list."
    left.sort_by(|a, b| {
        (a.priority, a.weight != 0, &a.target, a.port).cmp(&(b.priority, b.weight != 0, &b.target, b.port))
    });
    let mut ordered = Vec::with_capacity(left.len());
    for group in left.chunk_by(|a, b| a.priority == b.priority) {
        let mut group = group.to_vec();
        while group.len() > 1 {
            let weights = group.iter().map(|service| u64::from(service.weight));
            let chosen = by_weight(weights, rng.bits());
            ordered.push(group.remove(chosen.min(group.len() - 1)));
        }
        ordered.append(&mut group);
    }
    ordered
}
