//! What do a REGISTER and a call cost the gateway, and what do they cost Kamailio?
//!
//! ```text
//! cargo build --release --example gateway
//! cargo bench --bench versus                # all of it, three rounds; some minutes
//! cargo bench --bench versus -- registers 1 # or one question (registers, calls), so many rounds
//! ```
//!
//! The gateway serves its branch in the emergency state; Kamailio keeps its users in memory, with two workers. Each is started anew for
//! each round, in turn, on the loopback, and gets the same load in a bounded number of messages. What counts is the processor time of
//! the server's processes, user and system, between the first message and the last.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a program that measures others, and fails by panicking"
)]

mod calls;
mod process;
mod registers;
mod servers;

use servers::Server;
use std::time::Duration;

/// What one round with one server gave.
type Figures = Vec<(&'static str, f64)>;

fn main() {
    let mut words = std::env::args().skip(1).filter(|word| !word.starts_with("--")).peekable();
    if words.peek().is_some_and(|word| word == "echo") {
        return servers::echo(&words.nth(1).unwrap());
    }
    // `cargo test --benches` runs this too, and wants to know only that it starts.
    if !std::env::args().any(|word| word == "--bench") {
        return;
    }
    let only = words.next_if(|word| word.parse::<u32>().is_err());
    let rounds = words.next().map_or(3, |count| count.parse().unwrap());
    let asked = |question: &str| only.as_deref().is_none_or(|only| only == question);

    if asked("registers") {
        let servers: [fn(u16) -> Server; 3] = [Server::gateway, Server::kamailio, Server::echo];
        compare("a message", rounds, &servers, registers::run);
    }
    if asked("calls") {
        let servers: [fn(u16) -> Server; 2] = [Server::gateway, Server::kamailio];
        compare("a call", rounds, &servers, calls::run);
    }
}

/// Measures each server in turn, several times, and prints the medians.
fn compare(unit: &str, rounds: u32, servers: &[fn(u16) -> Server], measure: impl Fn(&Server) -> Figures) {
    let mut results: Vec<(String, Vec<Figures>)> = Vec::new();
    for round in 0..rounds {
        for (index, start) in servers.iter().enumerate() {
            let server = start(process::free_port());
            eprintln!("round {} of {rounds}: {}", round + 1, server.name);
            let figures = measure(&server);
            if round == 0 {
                results.push((server.name.to_owned(), Vec::new()));
            }
            results.get_mut(index).unwrap().1.push(figures);
            drop(server);
            // So that one server's last work is not in the next one's figures.
            std::thread::sleep(Duration::from_millis(500));
        }
    }
    println!("\n| server | what | median for {unit} | of Kamailio's |\n|---|---|---|---|");
    let kamailio = results.iter().find(|(name, _)| name == "Kamailio").map(|(_, rounds)| rounds.as_slice());
    for (name, rounds) in &results {
        for (what, _) in rounds.first().unwrap() {
            let own = median(rounds, what).unwrap();
            let ratio = kamailio.and_then(|rounds| median(rounds, what)).map(|theirs| own / theirs);
            println!(
                "| {name} | {what} | {own:.2} | {} |",
                ratio.map_or_else(String::new, |ratio| format!("{ratio:.2}"))
            );
        }
    }
}

fn median(rounds: &[Figures], what: &str) -> Option<f64> {
    let mut values: Vec<f64> =
        rounds.iter().flatten().filter(|(name, _)| *name == what).map(|(_, value)| *value).collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}
