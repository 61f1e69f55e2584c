#include "wire.hpp"

#include <libraft.h>

#include <protozero/pbf_reader.hpp>
#include <protozero/pbf_writer.hpp>

namespace conformance::wire {
namespace {

using protozero::pbf_reader;
using protozero::pbf_writer;

pbf_reader reader_of(std::string_view encoded) { return pbf_reader(encoded.data(), encoded.size()); }

std::string_view view(pbf_reader& reader) {
    const protozero::data_view bytes = reader.get_view();
    return {bytes.data(), bytes.size()};
}

/// Ids may come one by one or packed: a decoder has to take both.
void read_ids(pbf_reader& reader, std::vector<std::uint64_t>& ids) {
    if (reader.wire_type() == protozero::pbf_wire_type::varint) {
        ids.push_back(reader.get_uint64());
        return;
    }
    for (const std::uint64_t id : reader.get_packed_uint64()) ids.push_back(id);
}

void write_ids(pbf_writer& writer, protozero::pbf_tag_type tag, const std::vector<std::uint64_t>& ids) {
    for (const std::uint64_t id : ids) writer.add_uint64(tag, id);
}

}  // namespace

Entry decode_entry(std::string_view encoded) {
    Entry entry;
    pbf_reader reader = reader_of(encoded);
    while (reader.next()) {
        switch (reader.tag()) {
            case 1: entry.type = reader.get_enum(); break;
            case 2: entry.term = reader.get_uint64(); break;
            case 3: entry.index = reader.get_uint64(); break;
            case 4: entry.data = reader.get_bytes(); break;
            default: reader.skip();
        }
    }
    return entry;
}

ConfState decode_conf_state(std::string_view encoded) {
    ConfState state;
    pbf_reader reader = reader_of(encoded);
    while (reader.next()) {
        switch (reader.tag()) {
            case 1: read_ids(reader, state.voters); break;
            case 2: read_ids(reader, state.learners); break;
            case 3: read_ids(reader, state.voters_outgoing); break;
            case 4: read_ids(reader, state.learners_next); break;
            case 5: state.auto_leave = reader.get_bool(); break;
            default: reader.skip();
        }
    }
    return state;
}

Snapshot decode_snapshot(std::string_view encoded) {
    Snapshot snapshot;
    pbf_reader reader = reader_of(encoded);
    while (reader.next()) {
        switch (reader.tag()) {
            case 1: snapshot.data = reader.get_bytes(); break;
            case 2: {
                pbf_reader metadata = reader.get_message();
                while (metadata.next()) {
                    switch (metadata.tag()) {
                        case 1: snapshot.conf_state = decode_conf_state(view(metadata)); break;
                        case 2: snapshot.index = metadata.get_uint64(); break;
                        case 3: snapshot.term = metadata.get_uint64(); break;
                        default: metadata.skip();
                    }
                }
                break;
            }
            default: reader.skip();
        }
    }
    return snapshot;
}

Message decode_message(std::string_view encoded) {
    Message message;
    message.encoded = encoded;
    pbf_reader reader = reader_of(encoded);
    while (reader.next()) {
        switch (reader.tag()) {
            case 1: message.type = reader.get_enum(); break;
            case 2: message.to = reader.get_uint64(); break;
            case 3: message.from = reader.get_uint64(); break;
            case 4: message.term = reader.get_uint64(); break;
            case 5: message.log_term = reader.get_uint64(); break;
            case 6: message.index = reader.get_uint64(); break;
            case 7: message.entries.push_back(decode_entry(view(reader))); break;
            case 8: message.commit = reader.get_uint64(); break;
            case 9: message.snapshot = decode_snapshot(view(reader)); break;
            case 10: message.reject = reader.get_bool(); break;
            case 11: message.reject_hint = reader.get_uint64(); break;
            case 13: message.vote = reader.get_uint64(); break;
            case 14: message.responses.push_back(decode_message(view(reader))); break;
            default: reader.skip();
        }
    }
    return message;
}

std::vector<Progress> decode_status_progress(std::string_view encoded) {
    std::vector<Progress> members;
    pbf_reader status = reader_of(encoded);
    while (status.next(10)) {
        Progress progress;
        pbf_reader reader = status.get_message();
        while (reader.next()) {
            switch (reader.tag()) {
                case 1: progress.id = reader.get_uint64(); break;
                case 2: progress.match_index = reader.get_uint64(); break;
                case 3: progress.next_index = reader.get_uint64(); break;
                case 4: progress.state = reader.get_enum(); break;
                case 5: progress.paused = reader.get_bool(); break;
                case 6: progress.pending_snapshot = reader.get_uint64(); break;
                case 7: progress.recent_active = reader.get_bool(); break;
                case 8: progress.learner = reader.get_bool(); break;
                case 9: progress.inflight_messages = reader.get_uint64(); break;
                case 11: progress.inflight_full = reader.get_bool(); break;
                default: reader.skip();
            }
        }
        members.push_back(progress);
    }
    return members;
}

std::string encode(const ConfState& conf_state) {
    std::string encoded;
    pbf_writer writer(encoded);
    write_ids(writer, 1, conf_state.voters);
    write_ids(writer, 2, conf_state.learners);
    write_ids(writer, 3, conf_state.voters_outgoing);
    write_ids(writer, 4, conf_state.learners_next);
    writer.add_bool(5, conf_state.auto_leave);
    return encoded;
}

std::string encode(const Snapshot& snapshot) {
    std::string encoded;
    pbf_writer writer(encoded);
    writer.add_bytes(1, snapshot.data);
    pbf_writer metadata(writer, 2);
    metadata.add_message(1, encode(snapshot.conf_state));
    metadata.add_uint64(2, snapshot.index);
    metadata.add_uint64(3, snapshot.term);
    metadata.commit();
    return encoded;
}

Message snapshot_message(std::uint64_t from, std::uint64_t to, std::uint64_t term, const Snapshot& snapshot) {
    std::string encoded;
    pbf_writer writer(encoded);
    writer.add_enum(1, RAFT_MSG_SNAP);
    writer.add_uint64(2, to);
    writer.add_uint64(3, from);
    writer.add_uint64(4, term);
    writer.add_message(9, encode(snapshot));
    return decode_message(encoded);
}

}  // namespace conformance::wire
