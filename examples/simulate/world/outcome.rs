//! What came of it. Each key of the JSON object, and what counts:
//!
//! | key | meaning |
//! |---|---|
//! | `phones`, `virtual_seconds` | what was asked for |
//! | `wall_seconds` | how long the run took; the one figure that differs from run to run |
//! | `state_changes` | changes between normal and emergency that SAS told |
//! | `false_failovers` | changes to emergency while a PBX could be reached, and had been for the 6 s before |
//! | `detection_seconds` | from the loss of the PBX until SAS held it for lost: the longest, of the losses that it had the time to notice; null if none |
//! | `gap_call_delay_seconds` | of the calls dialled in that time: the longest wait of a caller until the other end heard of the call or he got a final answer; null if none. Emergency calls are not among them, since they pass no PBX |
//! | `bindings_lost` | bindings that were not in the database though their phone had been told that they would be: each end of a binding is held against the phone's own belief, and the whole database at each change of state and at the end |
//! | `requests_unanswered` | REGISTERs, INVITEs (within calls too) and BYEs sent to SAS that their sender gave up without a final response: after 32 s without any response (timers B and F), 240 s after the last provisional one. Only loss that strikes every copy excuses SAS, and that is counted too |
//! | `emergency_calls`, `emergency_calls_failed` | calls to 911, in all states; those that nobody at the PSTN took |
//! | `calls_kept`, `calls_lost` | of the calls that were up at both ends when the PBX was lost: kept if the caller's re-INVITE, the callee's, and the BYE of one of them were each answered with 200 |
//! | `peak_register_rate` | the most REGISTERs, sent again ones among them, that came to the PBX within one second (that slides) of the return: from the change to normal until the PBX has confirmed everyone |
//! | `return_rate_limit` | `sas.return_rate`, which that should not pass |
//! | `phones_not_home` | phones that the PBX had no registration of at the end |
//! | `memory_bytes` | what the heap held at its fullest, phones and PBX and all |

use super::branch::Branch;
use super::log::{CallKind, CallRecord, Log};
use sip_survivability::time::Instant;
use std::collections::BTreeMap;
use std::time::Duration;

pub struct Outcome {
    pub phones: u32,
    pub virtual_seconds: u64,
    pub state_changes: u64,
    pub false_failovers: u32,
    pub detection: Option<Duration>,
    pub gap_call_delay: Option<Duration>,
    pub bindings_lost: u64,
    pub requests_unanswered: u64,
    pub emergency_calls: u64,
    pub emergency_calls_failed: u64,
    pub calls_kept: u64,
    pub calls_lost: u64,
    pub peak_register_rate: u32,
    pub return_rate_limit: u32,
    pub phones_not_home: u64,
    pub memory_bytes: u64,
    /// How calls that are no emergency calls ended, by final status; 0 for none.
    pub endings: BTreeMap<u16, u64>,
    pub gap_calls: u64,
    /// From the last time that the PBX could be reached again until it had a registration of every phone.
    pub home_after: Option<Duration>,
    pub events: u64,
    pub packets: u64,
    pub ended: Instant,
    pub log: Log,
}

impl Outcome {
    pub(super) fn of(branch: Branch<'_>) -> Self {
        let Branch { plan, net, log, phones, pbx, config, now, events, .. } = branch;
        let not_home = (0..phones.len() as u32).filter(|phone| !pbx.knows(*phone, now)).count();
        let calls = |kind: fn(CallKind) -> bool| log.calls.iter().filter(move |call| kind(call.kind));
        let is_emergency = |kind| kind == CallKind::Emergency;
        // A call that has just been dialled at the end has not failed.
        let is_over =
            |call: &&CallRecord| call.ended.is_some() || now - call.dialled > Duration::from_secs(60);
        let failed =
            calls(is_emergency).filter(is_over).filter(|call| call.ended.is_none_or(|(_, s)| s != 200));
        let mut endings = BTreeMap::new();
        for (_, status) in calls(|kind| kind != CallKind::Emergency).filter_map(|call| call.ended) {
            *endings.entry(status).or_default() += 1;
        }
        let gap_calls = || calls(|kind| kind != CallKind::Emergency).filter(|call| call.in_gap);
        let watched = || log.calls.iter().filter_map(|call| call.watch);
        let kept = watched().filter(|watch| watch.is_kept()).count() as u64;
        // The first entry of each start of SAS is no change.
        let changes = log.states.windows(2).filter(|pair| pair[0].1 != pair[1].1).count() as u64;
        Self {
            phones: plan.phones,
            virtual_seconds: plan.span.as_secs(),
            state_changes: changes,
            false_failovers: log.false_failovers,
            detection: log.outages.iter().filter_map(|o| Some(o.detected? - o.from)).max(),
            gap_call_delay: gap_calls().filter_map(CallRecord::delay).max(),
            bindings_lost: log.bindings_lost,
            requests_unanswered: log.unanswered.len() as u64,
            emergency_calls: calls(is_emergency).count() as u64,
            emergency_calls_failed: failed.count() as u64,
            calls_kept: kept,
            calls_lost: watched().count() as u64 - kept,
            peak_register_rate: log.peak_on_return,
            return_rate_limit: config.sas.return_rate,
            phones_not_home: not_home as u64,
            memory_bytes: 0,
            endings,
            gap_calls: gap_calls().count() as u64,
            home_after: home_after(&log),
            events,
            packets: net.sent,
            ended: now,
            log,
        }
    }

    /// How often the state may change in `span` of trouble: five returns in any ten minutes (the dwell of 10 s is doubled by each), a loss
    /// before each of them, and one more loss.
    pub fn most_changes(span: Duration) -> u64 {
        let returns = 5 * (span.as_secs() / 600 + 1);
        2 * returns + 1
    }
}

fn home_after(log: &Log) -> Option<Duration> {
    let back = log.outages.last()?.to?;
    let home = log.samples.iter().find(|sample| sample.at >= back && sample.away == 0)?;
    Some(home.at - back)
}
