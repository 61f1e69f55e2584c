// What a node says about itself, in formats of others.
#include <iostream>
#include <string>

#include "libraft.hpp"

using namespace libraft;

int main() {
    Storage storage = Storage::memory();
    storage.bootstrap(1, 1, {1});
    Node node(Config(1), storage);
    node.campaign();

    // --8<-- [start:log]
    // Whatever your log is: each event of a Ready is a line with a level.
    const auto log_events = [&node](const Ready& ready) {
        for (const Event event : ready.events()) {
            std::cout << (event.level() >= Level::warn ? "WARN" : "info") << " node=" << node.id() << " " << event.text()
                      << "\n";
        }
    };
    // --8<-- [end:log]
    while (node.has_ready()) {
        const Ready ready = node.ready();
        log_events(ready);
        storage.save(ready);
        node.advance();
    }

    // --8<-- [start:json]
    const std::string status = node.status_json();
    const std::string counters = node.metrics_json();
    // --8<-- [end:json]
    std::cout << status << "\n" << counters.substr(0, 10) << "\n";

    // --8<-- [start:prometheus]
    // For each scrape: all the nodes of this process, each with the labels that tell it apart.
    Exposition exposition;
    exposition.add(node, {{"group", "accounts"}});
    const std::string body = exposition.text();  // Content-Type: Exposition::content_type
    // --8<-- [end:prometheus]
    const auto at = body.find("libraft_elections_won_total{");
    std::cout << body.substr(at, body.find('\n', at) - at) << "\n";
}
