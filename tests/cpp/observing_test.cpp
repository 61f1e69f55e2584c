// Status, counters and events in words: JSON, lines for logs, the text for Prometheus.

#include <gtest/gtest.h>

#include <string>

#include "cluster.hpp"
#include "libraft.hpp"

using namespace libraft;

namespace {

/** Whether the text has a field, as JSON writes it. */
bool has(const std::string& json, const std::string& name, std::uint64_t value) {
    const std::string field = "\"" + name + "\":" + std::to_string(value);
    const auto at = json.find(field);
    return at != std::string::npos && (json[at + field.size()] == ',' || json[at + field.size()] == '}');
}

}  // namespace

TEST(Observing, TheJsonOfAStatusHasTheFieldsOfTheStruct) {
    Cluster cluster(3);
    Host& host = cluster[1];
    cluster.elect(1);
    const NodeStatus status = host.node.status();
    const std::string json = host.node.status_json();
    EXPECT_TRUE(has(json, "id", status.id)) << json;
    EXPECT_TRUE(has(json, "term", status.term)) << json;
    EXPECT_TRUE(has(json, "vote", status.vote)) << json;
    EXPECT_TRUE(has(json, "commit", status.commit)) << json;
    EXPECT_TRUE(has(json, "applied", status.applied)) << json;
    EXPECT_TRUE(has(json, "leader", status.leader)) << json;
    EXPECT_TRUE(has(json, "lead_transferee", status.lead_transferee)) << json;
    EXPECT_TRUE(has(json, "first_index", status.first_index)) << json;
    EXPECT_TRUE(has(json, "last_index", status.last_index)) << json;
    EXPECT_TRUE(has(json, "persisted", status.persisted)) << json;
    EXPECT_TRUE(has(json, "removed_as_of", status.removed_as_of)) << json;
    EXPECT_NE(json.find("\"role\":\"leader\""), std::string::npos) << json;
    EXPECT_NE(json.find("\"voters\":[1,2,3]"), std::string::npos) << json;
    for (const Progress& peer : host.node.progress()) {
        EXPECT_TRUE(has(json, "match_index", peer.match_index)) << json;
        EXPECT_TRUE(has(json, "next_index", peer.next_index)) << json;
    }
}

TEST(Observing, CountersAreTheSameInTheStructInJsonAndForPrometheus) {
    Cluster cluster(3);
    Host& host = cluster[1];
    cluster.elect(1);
    const Metrics metrics = host.node.metrics();
    EXPECT_EQ(metrics.elections_won, 1U);
    EXPECT_GT(metrics.messages_sent, 0U);
    const std::string json = host.node.metrics_json();
    EXPECT_TRUE(has(json, "elections_won", 1)) << json;
    EXPECT_TRUE(has(json, "messages_sent", metrics.messages_sent)) << json;
    const std::string text = host.node.prometheus({{"zone", "a \"b\"\n"}});
    const std::string labels = "{node=\"1\",zone=\"a \\\"b\\\"\\n\"} ";
    const std::string line = "libraft_messages_sent_total" + labels + std::to_string(metrics.messages_sent) + "\n";
    EXPECT_NE(text.find(line), std::string::npos) << text;
}

TEST(Observing, ManyNodesMakeOneText) {
    Cluster cluster(3);
    Exposition exposition;
    EXPECT_EQ(exposition.text(), "");
    for (std::uint64_t id = 1; id <= 3; ++id) exposition.add(cluster[id].node);
    const std::string text = exposition.text();
    const std::string head = "# TYPE libraft_term gauge\n";
    const auto first = text.find(head);
    ASSERT_NE(first, std::string::npos);
    EXPECT_EQ(text.find(head, first + 1), std::string::npos);
    for (const char* node : {"1", "2", "3"}) {
        EXPECT_NE(text.find("libraft_term{node=\"" + std::string(node) + "\"}"), std::string::npos);
    }
    try {
        exposition.add(cluster[1].node);
        FAIL() << "it is there already";
    } catch (const Error& error) {
        EXPECT_EQ(error.code(), Code::argument);
        EXPECT_NE(std::string(error.what()).find("give each a label of its own"), std::string::npos);
    }
    exposition.add(cluster[1].node, {{"group", "another"}});
    EXPECT_EQ(exposition.text().find(text.substr(0, first)), 0U);
}

TEST(Observing, EventsAreLinesAndJsonWithALevel) {
    raft_event raw{};
    raw.type = RAFT_EVENT_ELECTION_LOST;
    raw.kind = RAFT_CAMPAIGN_ELECTION;
    raw.reason = RAFT_LOSS_OUTVOTED;
    raw.term = 4;
    raw.from = 1;
    raw.to = 2;
    const Event event(raw);
    EXPECT_EQ(event.text(), "election_lost kind=election reason=outvoted by=0 term=4 granted=1 refused=2");
    EXPECT_EQ(event.json(),
              "{\"type\":\"election_lost\",\"kind\":\"election\",\"reason\":\"outvoted\",\"by\":0,\"term\":4,"
              "\"granted\":1,\"refused\":2}");
    EXPECT_EQ(event.level(), Level::info);
    raw.type = 99;
    EXPECT_THROW(Event(raw).text(), Error);
    EXPECT_EQ(Event(raw).level(), Level::debug);
}
