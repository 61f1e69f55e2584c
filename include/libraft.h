/*
 * libraft: a Raft consensus core with a C interface.
 *
 * Made from the sources of ffi/ by `make header`; not to be edited.
 *
 * The library does no I/O, keeps no time, starts no thread and calls nobody back. What enters is
 * a call on a node, and what leaves is in a raft_ready. The loop of a host is
 *
 *     tick, step, propose, read_index ..          whatever has arrived
 *     while has_ready:
 *         raft_node_ready(node, &ready, &error)
 *         raft_storage_save(storage, ready, &error)
 *         send ready->messages[..].encoded
 *         apply ready->snapshot, then ready->committed_entries
 *         raft_node_advance(node, &error)
 *
 * These rules hold for every function. Its own comment says what it does, and then, in paragraphs
 * that begin with these words:
 *
 * - Errors. The codes that it returns, and when. A function that can fail returns a raft_status, 0 if
 *   all is well. "Those of any call" are RAFT_ERR_NULL (a pointer that has to lead somewhere is NULL)
 *   and RAFT_ERR_PANIC (a defect of the library, caught). "Those of any call on a node" are these and
 *   RAFT_ERR_MISUSE (another thread is using the node) and RAFT_ERR_POISONED (the node has stopped for
 *   good; free it and start again from the storage). What a call needs besides is listed by its name.
 *   A call that fails has changed nothing and written nothing, unless its comment says otherwise;
 *   except that it stores a raft_error where its last argument points to, unless that is NULL, and the
 *   caller frees it with raft_error_free(). On success that place is left alone. After RAFT_ERR_PANIC,
 *   a node that was called is poisoned. Later versions may return codes that are new: treat one that
 *   you don't know as RAFT_ERR_OTHER. No function aborts the process, whatever bytes it is given.
 * - Memory. Who owns what is passed in and what comes out, and for how long. "Borrowed for the call":
 *   the library reads it during the call, copies what it keeps, and the caller may free or change it
 *   afterwards. "Belongs to the caller, who frees it with ..": exactly once, whenever the caller likes,
 *   also when what it came from is gone. "Borrowed from .. and valid until ..": not to be freed, and
 *   not to be used any longer. "The caller's own": memory of the caller's, to be written to. The _free
 *   functions ignore NULL.
 * - Threads. Which threads may make the call. "Any": any thread, at any time, and while others use
 *   the same objects. "One at a time on the node": any thread, but only one uses a node at a time; a
 *   second one gets RAFT_ERR_MISUSE, and nothing else happens. What a call on a node gave may be read
 *   by any thread meanwhile. "No other thread uses it, or will": as with free() of the C library.
 *   Storages, configurations, errors, buffers and lists may all be shared. A fork()ed child must not
 *   use a durable storage of its parent, nor a node on one.
 *
 * And these hold for arguments:
 *
 * - Pointers. Bytes are passed as a pointer and a length: NULL with length 0 is an empty input, NULL
 *   with another length is RAFT_ERR_NULL, a length above PTRDIFF_MAX is RAFT_ERR_ARGUMENT.
 * - Numbers. Types, roles and so on are int32_t, and numbers that are none are RAFT_ERR_ARGUMENT.
 *   More numbers may come with later versions: expect ones that you do not know.
 * - Lists. A list is a pointer and a length. An empty one is NULL with length 0.
 * - Sizes. A struct that begins with `size` may get more fields at its end in later versions. Set it to
 *   sizeof the struct before the call. The library fills in as much as the program knows, and refuses a
 *   size that is greater than its own, since fields would be missing, with RAFT_ERR_ARGUMENT.
 * - Protobuf. No program needs it. Those that have it find raftpb.* (as etcd-io/raft has it) and
 *   libraft.* in the library's core/proto/.
 */


#ifndef LIBRAFT_H
#define LIBRAFT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/**
 * The version of the binary interface that this header describes. It is the number in the
 * library's soname, and changes when a program would have to be compiled anew.
 */
#define RAFT_ABI_VERSION 0

/**
 * Nothing was dropped.
 */
#define RAFT_DROP_NONE 0

/**
 * No leader is known to this node.
 */
#define RAFT_DROP_NO_LEADER 1

/**
 * This node follows and may not forward (raft_config_set_disable_proposal_forwarding()).
 */
#define RAFT_DROP_FORWARDING_DISABLED 2

/**
 * This node leads, but has been removed from the configuration.
 */
#define RAFT_DROP_REMOVED 3

/**
 * Leadership is being transferred.
 */
#define RAFT_DROP_TRANSFERRING 4

/**
 * Too many bytes are uncommitted (raft_config_set_max_uncommitted_bytes()).
 */
#define RAFT_DROP_UNCOMMITTED_LIMIT 5

/**
 * Too many reads wait (raft_config_set_max_pending_reads()).
 */
#define RAFT_DROP_TOO_MANY_READS 6

/**
 * Of a configuration change: another one is in the log and not applied.
 */
#define RAFT_DROP_CONF_CHANGE_PENDING 7

/**
 * Of a configuration change: the configuration is joint, and must be left first.
 */
#define RAFT_DROP_ALREADY_JOINT 8

/**
 * Of a configuration change: there is no joint configuration to leave.
 */
#define RAFT_DROP_NOT_JOINT 9

/**
 * The leadership that it was sent to has ended.
 */
#define RAFT_DROP_LEADER_CHANGED 10

/**
 * A reason without a number of its own; the message says which.
 */
#define RAFT_DROP_OTHER 100

/**
 * The call did what it is for.
 */
#define RAFT_OK 0

/**
 * A pointer is NULL that must not be.
 */
#define RAFT_ERR_NULL 1

/**
 * An argument is out of its range: an unknown number for a type, a length above PTRDIFF_MAX, a
 * struct of unknown size, an index that does not exist.
 */
#define RAFT_ERR_ARGUMENT 2

/**
 * A setting of the configuration is out of its range; the message says which and why.
 */
#define RAFT_ERR_CONFIG 3

/**
 * The call does not fit the state: two threads use one node at once, a Ready is taken before the
 * last one was advanced, a fresh storage is required and this one is not.
 */
#define RAFT_ERR_MISUSE 4

/**
 * The proposal was not taken and will not be applied; see raft_error_drop_reason(). It may be
 * proposed again.
 */
#define RAFT_ERR_DROPPED 5

/**
 * The read was not taken, and no read state will come; see raft_error_drop_reason(). It may be
 * asked for again, under a new context.
 */
#define RAFT_ERR_READ_DROPPED 6

/**
 * The change does not fit the current configuration.
 */
#define RAFT_ERR_CONF_CHANGE 7

/**
 * The answer does not fit the request. The core asks again.
 */
#define RAFT_ERR_WRONG_ANSWER 8

/**
 * The state to restart from contradicts itself.
 */
#define RAFT_ERR_RESTART_STATE 9

/**
 * The request for a snapshot was not taken, and none will come of it; the message says why. It
 * may be made again.
 */
#define RAFT_ERR_SNAPSHOT_REQUEST_DROPPED 10

/**
 * The bytes are not what they should be: no message, no entry, no configuration change.
 */
#define RAFT_ERR_MALFORMED 20

/**
 * The message is well-formed, but no correct peer can have sent it.
 */
#define RAFT_ERR_IMPOSSIBLE 21

/**
 * The message is of a kind that never travels.
 */
#define RAFT_ERR_LOCAL_MESSAGE 22

/**
 * A response from a node that is no member. Harmless; usual after a removal.
 */
#define RAFT_ERR_UNKNOWN_PEER 23

/**
 * The bytes are no recording that can be replayed here: damaged, cut off, of another version, or
 * nothing of the kind; the message says which, and where.
 */
#define RAFT_ERR_RECORDING 30

/**
 * The node found its own state to contradict itself, or an earlier call on it ended in
 * RAFT_ERR_PANIC. It takes no more calls; free it and start again from the storage. Of a storage:
 * an earlier write failed, so that it takes no more writes and has to be opened anew.
 */
#define RAFT_ERR_POISONED 40

/**
 * A defect of the library, caught. The node that was called is poisoned.
 */
#define RAFT_ERR_PANIC 41

/**
 * The storage no longer has what was asked for: it has been compacted away.
 */
#define RAFT_ERR_COMPACTED 60

/**
 * The storage does not have what was asked for, or not yet.
 */
#define RAFT_ERR_UNAVAILABLE 61

/**
 * The storage has a snapshot that is at least as new.
 */
#define RAFT_ERR_SNAPSHOT_OUT_OF_DATE 62

/**
 * Another process, or another handle of this one, has the storage open.
 */
#define RAFT_ERR_LOCKED 63

/**
 * The stored data is damaged.
 */
#define RAFT_ERR_CORRUPT 64

/**
 * The operating system refused: no space, no permission, a failing disk. The message has its
 * words.
 */
#define RAFT_ERR_IO 65

/**
 * A failure without a code of its own; the message says what it is.
 */
#define RAFT_ERR_OTHER 100

/**
 * Makes the node a voter.
 */
#define RAFT_CONF_CHANGE_ADD_NODE 0

/**
 * Removes the node.
 */
#define RAFT_CONF_CHANGE_REMOVE_NODE 1

/**
 * Leaves the members as they are; carries a new context for the host.
 */
#define RAFT_CONF_CHANGE_UPDATE_NODE 2

/**
 * Makes the node a learner.
 */
#define RAFT_CONF_CHANGE_ADD_LEARNER_NODE 3

/**
 * Directly if the change has one step, else as RAFT_TRANSITION_JOINT_IMPLICIT.
 */
#define RAFT_TRANSITION_AUTO 0

/**
 * Through a joint configuration, which the leader leaves on its own.
 */
#define RAFT_TRANSITION_JOINT_IMPLICIT 1

/**
 * Through a joint configuration, which the host leaves by proposing a change without steps.
 */
#define RAFT_TRANSITION_JOINT_EXPLICIT 2

/**
 * By a round of heartbeats: safe whatever the clocks do.
 */
#define RAFT_READ_ONLY_SAFE 0

/**
 * By the leader's lease: at once, without asking the others, for as long as the leader has not
 * found that it lost its quorum. Needs check_quorum. Not linearizable: a read may be stale. A leader
 * looks once in election_ticks at whom it has heard from, so that one that is cut off goes on
 * answering for up to twice that time, while the others may elect a new leader after once that
 * time, even if all clocks are perfect. A voter that restarts has no lease to keep, and votes at
 * once. A read may also be stale if a leader's ticks come late by more than the others' do, as when
 * its process or machine was stopped and the host has not called raft_node_tick_many() for that
 * time first; if a voter lacks check_quorum; while leadership is being transferred, since that
 * election passes over leases; or if a voter forgets its leader (raft_node_forget_leader()). Where
 * that matters, RAFT_READ_ONLY_SAFE.
 */
#define RAFT_READ_ONLY_LEASE_BASED 1

/**
 * No limit, for the settings that limit bytes.
 */
#define RAFT_NO_LIMIT UINT64_MAX

/**
 * The host's own command; or nothing, in the first entry of each term.
 */
#define RAFT_ENTRY_NORMAL 0

/**
 * An encoded raftpb.ConfChange.
 */
#define RAFT_ENTRY_CONF_CHANGE 1

/**
 * An encoded raftpb.ConfChangeV2. Empty data is valid: it leaves a joint configuration.
 */
#define RAFT_ENTRY_CONF_CHANGE_V2 2

/**
 * Answers a leader or waits for one.
 */
#define RAFT_ROLE_FOLLOWER 0

/**
 * Asks for votes in a new term.
 */
#define RAFT_ROLE_CANDIDATE 1

/**
 * Replicates its log to the others.
 */
#define RAFT_ROLE_LEADER 2

/**
 * Asks whether it could win an election, without starting a term.
 */
#define RAFT_ROLE_PRE_CANDIDATE 3

/**
 * The node plays another part. `from` and `to`: RAFT_ROLE_ numbers; `term`; `node`: the
 * leader that it knows of now, or 0.
 */
#define RAFT_EVENT_ROLE_CHANGED 1

/**
 * The node follows another leader, or none. `from` and `to`: the leaders, or 0; `term`.
 */
#define RAFT_EVENT_LEADER_CHANGED 2

/**
 * The node asks for votes. `kind`: RAFT_CAMPAIGN_; `reason`: RAFT_TRIGGER_; `term`: the one that
 * it wants to lead.
 */
#define RAFT_EVENT_CAMPAIGN_STARTED 3

/**
 * It was time to campaign, and the node may not. `kind`: RAFT_CAMPAIGN_; `reason`:
 * RAFT_OBSTACLE_; `term`.
 */
#define RAFT_EVENT_CAMPAIGN_REFUSED 4

/**
 * The node leads. `term`; `from`: voters for it, itself included; `to`: voters against it.
 */
#define RAFT_EVENT_ELECTION_WON 5

/**
 * A campaign has come to nothing. `kind`: RAFT_CAMPAIGN_; `reason`: RAFT_LOSS_; `node`: who
 * has the higher term, or leads, or 0; `term`: the one that the node wanted to lead; `from`: voters
 * for it, itself included; `to`: voters against it.
 */
#define RAFT_EVENT_ELECTION_LOST 6

/**
 * The node leads no longer. `reason`: RAFT_STEP_DOWN_; `node`: who has the higher term, or 0;
 * `term`: the present one.
 */
#define RAFT_EVENT_STEPPED_DOWN 7

/**
 * This leader sends to a member in another way. `node`: the member; `reason`: RAFT_FLOW_CAUSE_;
 * `from` and `to`: RAFT_FLOW_; `index`: what it is known to have, or the snapshot's index.
 */
#define RAFT_EVENT_FLOW_CHANGED 8

/**
 * This leader is handing over. `node`: to whom; `term`.
 */
#define RAFT_EVENT_TRANSFER_STARTED 9

/**
 * This leader no longer tries to. `node`: to whom it would have; `reason`: RAFT_TRANSFER_;
 * `term`.
 */
#define RAFT_EVENT_TRANSFER_ENDED 10

/**
 * Something that this node was asked for will not happen. `kind`: RAFT_DROPPED_; `reason`:
 * RAFT_DROP_; `node`: who had asked, 0 for the host; `index`: with RAFT_DROP_CONF_CHANGE_PENDING,
 * the other one is at this index or below.
 */
#define RAFT_EVENT_DROPPED 11

/**
 * A message was not taken. `node`: the sender that it names, 0 if it could not be decoded;
 * `term`: its term; `reason`: RAFT_REFUSED_.
 */
#define RAFT_EVENT_MESSAGE_REFUSED 12

/**
 * A snapshot from the leader takes the place of the log. `node`: the leader; `index`: the
 * snapshot's.
 */
#define RAFT_EVENT_SNAPSHOT_INSTALLED 13

/**
 * A snapshot from the leader was of no use. `node`: the leader; `index`: the snapshot's;
 * `reason`: RAFT_IGNORED_.
 */
#define RAFT_EVENT_SNAPSHOT_IGNORED 14

/**
 * This node is no member of the group any more. `node`: who says so, itself or a member;
 * `index`: it was no member when this was applied.
 */
#define RAFT_EVENT_REMOVED 15

/**
 * Finds out first whether an election could be won.
 */
#define RAFT_CAMPAIGN_PRE_ELECTION 1

/**
 * Starts a term.
 */
#define RAFT_CAMPAIGN_ELECTION 2

/**
 * Starts a term because the leader has asked for it.
 */
#define RAFT_CAMPAIGN_TRANSFER 3

/**
 * It has not heard from a leader for too long.
 */
#define RAFT_TRIGGER_TIMEOUT 1

/**
 * Its host has called raft_node_campaign().
 */
#define RAFT_TRIGGER_HOST 2

/**
 * The leader hands over to it.
 */
#define RAFT_TRIGGER_LEADER_ASKED 3

/**
 * It would win, as its pre-election has shown.
 */
#define RAFT_TRIGGER_PRE_ELECTION_WON 4

/**
 * It leads already.
 */
#define RAFT_OBSTACLE_LEADS 1

/**
 * It has no vote.
 */
#define RAFT_OBSTACLE_NOT_VOTER 2

/**
 * It waits for its host to persist a snapshot.
 */
#define RAFT_OBSTACLE_PENDING_SNAPSHOT 3

/**
 * A configuration change is committed and not applied.
 */
#define RAFT_OBSTACLE_UNAPPLIED_CONF_CHANGE 4

/**
 * There is no higher term.
 */
#define RAFT_OBSTACLE_TERM_LIMIT 5

/**
 * Too many have refused.
 */
#define RAFT_LOSS_OUTVOTED 1

/**
 * A message of a higher term came.
 */
#define RAFT_LOSS_HIGHER_TERM 2

/**
 * Somebody else leads the term.
 */
#define RAFT_LOSS_LEADER_APPEARED 3

/**
 * Too few have answered in time; the node campaigns again.
 */
#define RAFT_LOSS_TIMED_OUT 4

/**
 * The host has called for another campaign.
 */
#define RAFT_LOSS_RESTARTED 5

/**
 * A message of a higher term came.
 */
#define RAFT_STEP_DOWN_HIGHER_TERM 1

/**
 * It has not heard from a quorum for an election timeout.
 */
#define RAFT_STEP_DOWN_CHECK_QUORUM 2

/**
 * It has no vote any more (raft_config_set_step_down_on_removal()).
 */
#define RAFT_STEP_DOWN_REMOVED 3

/**
 * It has acknowledged entries, so that the logs agree.
 */
#define RAFT_FLOW_CAUSE_ACCEPTED 1

/**
 * It has refused an append.
 */
#define RAFT_FLOW_CAUSE_REJECTED 2

/**
 * The host could not reach it.
 */
#define RAFT_FLOW_CAUSE_UNREACHABLE 3

/**
 * It needs entries that are compacted, and is sent a snapshot.
 */
#define RAFT_FLOW_CAUSE_SNAPSHOT_SENT 4

/**
 * The host says that the snapshot has arrived.
 */
#define RAFT_FLOW_CAUSE_SNAPSHOT_FINISHED 5

/**
 * The host says that the snapshot did not arrive.
 */
#define RAFT_FLOW_CAUSE_SNAPSHOT_FAILED 6

/**
 * An election timeout has passed.
 */
#define RAFT_TRANSFER_TIMED_OUT 1

/**
 * Somebody else is to lead, or this node is to stay.
 */
#define RAFT_TRANSFER_REPLACED 2

/**
 * The target has lost its vote.
 */
#define RAFT_TRANSFER_TARGET_REMOVED 3

/**
 * This node has stepped down, as it does when the transfer succeeds.
 */
#define RAFT_TRANSFER_STEPPED_DOWN 4

/**
 * A command.
 */
#define RAFT_DROPPED_PROPOSAL 1

/**
 * A configuration change.
 */
#define RAFT_DROPPED_CONF_CHANGE 2

/**
 * A read.
 */
#define RAFT_DROPPED_READ 3

/**
 * The bytes are no message.
 */
#define RAFT_REFUSED_MALFORMED 1

/**
 * It is of a kind that is for the node's own use.
 */
#define RAFT_REFUSED_LOCAL_MESSAGE 2

/**
 * A response from a node that is no member.
 */
#define RAFT_REFUSED_UNKNOWN_PEER 3

/**
 * An index or a term beyond all bounds.
 */
#define RAFT_REFUSED_OUT_OF_BOUNDS 10

/**
 * Entries that are not a slice of a log.
 */
#define RAFT_REFUSED_ENTRIES 11

/**
 * An append that contradicts a committed entry.
 */
#define RAFT_REFUSED_COMMITTED_CONFLICT 12

/**
 * A commit index beyond the receiver's log.
 */
#define RAFT_REFUSED_COMMIT_BEYOND_LOG 13

/**
 * An acknowledgement of what was never sent.
 */
#define RAFT_REFUSED_ACK_BEYOND_LOG 14

/**
 * A second leader of the term.
 */
#define RAFT_REFUSED_SECOND_LEADER 15

/**
 * A proposal without entries.
 */
#define RAFT_REFUSED_EMPTY_PROPOSAL 16

/**
 * A configuration change that can't be decoded.
 */
#define RAFT_REFUSED_CONF_CHANGE 17

/**
 * A snapshot with an impossible configuration.
 */
#define RAFT_REFUSED_SNAPSHOT 18

/**
 * A heartbeat's answer that echoes no heartbeat.
 */
#define RAFT_REFUSED_READ_POSITION 19

/**
 * No sender, or this node itself.
 */
#define RAFT_REFUSED_NO_SENDER 20

/**
 * A request for a vote that names no term.
 */
#define RAFT_REFUSED_NO_TERM 21

/**
 * A report that does not tell what it is about.
 */
#define RAFT_REFUSED_UNASKED_REPORT 22

/**
 * All of it is committed here already.
 */
#define RAFT_IGNORED_OLD 1

/**
 * This node is not in its configuration.
 */
#define RAFT_IGNORED_NOT_MEMBER 2

/**
 * The log has its last entry, so that it only says how much is committed.
 */
#define RAFT_IGNORED_IN_LOG 3

/**
 * Of interest to who looks for a fault.
 */
#define RAFT_LEVEL_DEBUG 1

/**
 * What happens in a group that works.
 */
#define RAFT_LEVEL_INFO 2

/**
 * What should not happen often, and that somebody may have to look after.
 */
#define RAFT_LEVEL_WARN 3

/**
 * A proposal that a follower passes on to its leader.
 */
#define RAFT_MSG_PROP 2

/**
 * The leader's entries, or only its commit index.
 */
#define RAFT_MSG_APP 3

/**
 * A follower's answer to them.
 */
#define RAFT_MSG_APP_RESP 4

/**
 * A candidate asks for a vote.
 */
#define RAFT_MSG_VOTE 5

/**
 * The answer to that.
 */
#define RAFT_MSG_VOTE_RESP 6

/**
 * A snapshot; report what becomes of it with raft_node_report_snapshot().
 */
#define RAFT_MSG_SNAP 7

/**
 * The leader lives.
 */
#define RAFT_MSG_HEARTBEAT 8

/**
 * The answer to that.
 */
#define RAFT_MSG_HEARTBEAT_RESP 9

/**
 * Leadership shall pass to the sender.
 */
#define RAFT_MSG_TRANSFER_LEADER 13

/**
 * The receiver shall campaign at once.
 */
#define RAFT_MSG_TIMEOUT_NOW 14

/**
 * A follower asks its leader for a read index.
 */
#define RAFT_MSG_READ_INDEX 15

/**
 * The answer to that.
 */
#define RAFT_MSG_READ_INDEX_RESP 16

/**
 * A candidate asks whether it would get a vote.
 */
#define RAFT_MSG_PRE_VOTE 17

/**
 * The answer to that.
 */
#define RAFT_MSG_PRE_VOTE_RESP 18

/**
 * To RAFT_LOCAL_APPEND, never on a network: work for the host's append worker.
 */
#define RAFT_MSG_STORAGE_APPEND 19

/**
 * Its answer.
 */
#define RAFT_MSG_STORAGE_APPEND_RESP 20

/**
 * To RAFT_LOCAL_APPLY, never on a network: work for the host's apply worker.
 */
#define RAFT_MSG_STORAGE_APPLY 21

/**
 * Its answer.
 */
#define RAFT_MSG_STORAGE_APPLY_RESP 22

/**
 * The receiver shall no longer count on its leader.
 */
#define RAFT_MSG_FORGET_LEADER 23

/**
 * A proposal that was passed on has been dropped; see raft_config_set_peer_reports(), for this and
 * the two that follow.
 */
#define RAFT_MSG_PROPOSAL_DROPPED 100

/**
 * A read that was passed on has been dropped.
 */
#define RAFT_MSG_READ_DROPPED 101

/**
 * The receiver is no member any more.
 */
#define RAFT_MSG_REMOVED 102

/**
 * The target of RAFT_MSG_STORAGE_APPEND, with asynchronous storage writes.
 */
#define RAFT_LOCAL_APPEND UINT64_MAX

/**
 * The target of RAFT_MSG_STORAGE_APPLY, with asynchronous storage writes.
 */
#define RAFT_LOCAL_APPLY (UINT64_MAX - 1)

/**
 * One append at a time, to find out where the logs agree.
 */
#define RAFT_FLOW_PROBE 0

/**
 * Appends follow each other without waiting.
 */
#define RAFT_FLOW_REPLICATE 1

/**
 * A snapshot is on its way.
 */
#define RAFT_FLOW_SNAPSHOT 2

/**
 * This node can't tell: it has to lead, and to have applied an entry of its term.
 */
#define RAFT_GROUP_COMMIT_UNKNOWN 0

/**
 * Everything that is committed has reached two groups.
 */
#define RAFT_GROUP_COMMIT_CONSISTENT 1

/**
 * It has not, or there are no two groups.
 */
#define RAFT_GROUP_COMMIT_INCONSISTENT 2

/**
 * raft_node_has_ready() would say so.
 */
#define RAFT_PENDING_READY 1

/**
 * raft_node_take_requests() may give something. Without this it gives nothing, but for requests that
 * have stayed unanswered for long and can wait for the next Ready. Never there without
 * RAFT_PENDING_READY.
 */
#define RAFT_PENDING_REQUESTS 2

/**
 * What raft_node_next_deadline() says if time alone does nothing.
 */
#define RAFT_NO_DEADLINE UINT64_MAX

/**
 * The entries have been compacted away.
 */
#define RAFT_READ_COMPACTED 1

/**
 * They can't be read at the moment; the core asks again when it still needs them.
 */
#define RAFT_READ_UNAVAILABLE 2

/**
 * The peer has it.
 */
#define RAFT_SNAPSHOT_FINISH 1

/**
 * It didn't get there.
 */
#define RAFT_SNAPSHOT_FAILURE 2

/**
 * The node records nothing.
 */
#define RAFT_RECORDING_OFF 0

/**
 * Every call is recorded.
 */
#define RAFT_RECORDING_ON 1

/**
 * The host has ended it.
 */
#define RAFT_RECORDING_STOPPED 2

/**
 * It has ended because too many bytes were not taken.
 */
#define RAFT_RECORDING_FULL 3

/**
 * It has ended because a call was made with a value that can't be written down. No call of this
 * interface can have one; a restart state whose lists are out of order is one.
 */
#define RAFT_RECORDING_UNENCODABLE 4

/**
 * Bytes that belong to the caller, who frees them with raft_buffer_free(). They never change, so
 * that any number of threads may read them.
 */
typedef struct raft_buffer raft_buffer;

/**
 * The settings of a node. It belongs to the caller, who frees it with raft_config_free(); nodes
 * keep a copy, so that one configuration serves for many and may be freed or changed at any time.
 * Values are checked when a node is made, with RAFT_ERR_CONFIG, and not before. Time is counted
 * in ticks, of whatever length the host gives them (raft_node_tick()).
 */
typedef struct raft_config raft_config;

/**
 * What went wrong, in words for people. Calls that fail store one where their last argument
 * points to, unless that is NULL. It belongs to the caller, who frees it with raft_error_free().
 * It never changes, so that any number of threads may read it.
 */
typedef struct raft_error raft_error;

/**
 * What nodes say about themselves, collected to be written as one text for Prometheus: there,
 * what is said about a metric may stand only once in a text, so that those of several nodes can't
 * just be put together. See raft_exposition_new().
 */
typedef struct raft_exposition raft_exposition;

/**
 * One member of one Raft group. It does nothing by itself: the host passes in ticks, messages
 * and proposals, takes a Ready whenever raft_node_has_ready() says so, does what that asks for,
 * and calls raft_node_advance().
 *
 * A node may move between threads, but not be used by two at once: the second one gets
 * RAFT_ERR_MISUSE. The views of its last Ready may be read meanwhile.
 *
 * The errors that every call on a node may return are in this file's opening comment.
 */
typedef struct raft_node raft_node;

/**
 * Where a node's hard state, log and snapshot are kept. It belongs to the caller, who frees it
 * with raft_storage_free().
 *
 * Any number of threads may use one storage at the same time, also while a node uses it. A read
 * never waits for a sync. Ranges are half-open: [low, high).
 *
 * RAFT_ERR_IO comes
 * from the durable storage only; after a write has failed with it, nobody can know how much of it
 * is on disk, and further writes return RAFT_ERR_POISONED until the storage is opened anew. So do
 * reads from then on, and after one that failed, as far as they need the disk.
 */
typedef struct raft_storage raft_storage;

/**
 * A view of `len` bytes at `data`. It owns nothing. When `len` is 0, the library sets `data` to
 * NULL; where it is passed in, NULL and anything else mean the same, except for the payload of a
 * proposal and the name of a read: there NULL is the absence of it, which is encoded in fewer
 * bytes than an empty one.
 */
typedef struct raft_bytes {
  /**
   * The first byte.
   */
  const uint8_t *data;
  /**
   * How many there are.
   */
  size_t len;
} raft_bytes;

/**
 * What became of a call: RAFT_OK (0), or one of the RAFT_ERR_ codes.
 */
typedef int32_t raft_status;

/**
 * Why a proposal or a read was dropped: one of the RAFT_DROP_ numbers.
 */
typedef int32_t raft_drop_reason;

/**
 * What an entry's data means: one of the RAFT_ENTRY_ numbers, which are those of
 * raftpb.EntryType.
 */
typedef int32_t raft_entry_type;

/**
 * Whether, and how, a change goes through a joint configuration: one of the RAFT_TRANSITION_
 * numbers, which are those of raftpb.ConfChangeTransition.
 */
typedef int32_t raft_transition;

/**
 * One step of a configuration change: one of the RAFT_CONF_CHANGE_ numbers, which are those of
 * raftpb.ConfChangeType.
 */
typedef int32_t raft_conf_change_type;

/**
 * One step of a configuration change and the node that it concerns.
 */
typedef struct raft_conf_change_single {
  /**
   * What happens.
   */
  raft_conf_change_type type;
  /**
   * To whom. A step with node 0 does nothing.
   */
  uint64_t node_id;
} raft_conf_change_single;

/**
 * A decoded configuration change. It belongs to the caller, who frees it with
 * raft_conf_change_free().
 */
typedef struct raft_conf_change {
  /**
   * Whether it goes through a joint configuration.
   */
  raft_transition transition;
  /**
   * The steps; NULL when there are none.
   */
  const struct raft_conf_change_single *changes;
  /**
   * How many there are; always 1 for RAFT_ENTRY_CONF_CHANGE.
   */
  size_t changes_len;
  /**
   * Data for the host's own use.
   */
  struct raft_bytes context;
  /**
   * A number for the host's own use; 0 for RAFT_ENTRY_CONF_CHANGE_V2, which has none.
   */
  uint64_t id;
} raft_conf_change;

/**
 * The members of a cluster. All lists are in ascending order; an empty one is NULL.
 */
typedef struct raft_conf_state {
  /**
   * The voters; of a joint configuration, those of the new half.
   */
  const uint64_t *voters;
  /**
   * How many there are.
   */
  size_t voters_len;
  /**
   * Members that receive the log and do not vote.
   */
  const uint64_t *learners;
  /**
   * How many there are.
   */
  size_t learners_len;
  /**
   * The voters of a joint configuration's old half; empty otherwise.
   */
  const uint64_t *voters_outgoing;
  /**
   * How many there are.
   */
  size_t voters_outgoing_len;
  /**
   * Voters of the old half that become learners when the joint configuration is left.
   */
  const uint64_t *learners_next;
  /**
   * How many there are.
   */
  size_t learners_next_len;
  /**
   * Whether the leader leaves the joint configuration on its own.
   */
  bool auto_leave;
  /**
   * The whole as raftpb.ConfState.
   */
  struct raft_bytes encoded;
} raft_conf_state;

/**
 * How reads are confirmed: one of the RAFT_READ_ONLY_ numbers.
 */
typedef int32_t raft_read_only;

/**
 * An entry of the replicated log.
 */
typedef struct raft_entry {
  /**
   * The term of the leader that created it.
   */
  uint64_t term;
  /**
   * Its position in the log; the first one is 1.
   */
  uint64_t index;
  /**
   * What its data means.
   */
  raft_entry_type type;
  /**
   * The payload: a part of `encoded`, if that is there.
   */
  struct raft_bytes data;
  /**
   * The whole entry as raftpb.Entry: the bytes to put on disk. Empty if there is nothing to it but what
   * stands above, and raft_config_set_encode_readys() or
   * raft_config_set_encode_entries() is off.
   */
  struct raft_bytes encoded;
} raft_entry;

/**
 * Entries that belong to the caller, who frees them with raft_entries_free().
 */
typedef struct raft_entries {
  /**
   * The entries, by ascending index; NULL when there are none.
   */
  const struct raft_entry *entries;
  /**
   * How many there are.
   */
  size_t entries_len;
} raft_entries;

/**
 * What has happened: one of the RAFT_EVENT_ numbers. There may be more in later versions.
 */
typedef int32_t raft_event_type;

/**
 * How much an event deserves attention: one of the RAFT_LEVEL_ numbers, which are in the order of
 * the usual levels of logs. There may be more in later versions.
 */
typedef int32_t raft_level;

/**
 * Something that a host may want to know and need not act on. What the fields mean, the type's
 * constant says; those that it does not mention are 0.
 */
typedef struct raft_event {
  /**
   * What has happened.
   */
  raft_event_type type;
  /**
   * Why.
   */
  int32_t reason;
  /**
   * What it is about.
   */
  int32_t kind;
  /**
   * For later versions.
   */
  int32_t reserved;
  /**
   * Another node.
   */
  uint64_t node;
  /**
   * A term.
   */
  uint64_t term;
  /**
   * An index.
   */
  uint64_t index;
  /**
   * What was before, or how many are in favour.
   */
  uint64_t from;
  /**
   * What is now, or how many are against.
   */
  uint64_t to;
} raft_event;

/**
 * The kind of a message: one of the RAFT_MSG_ numbers, which are those of raftpb.MessageType.
 */
typedef int32_t raft_message_type;

/**
 * A message to a peer, or from one.
 */
typedef struct raft_message {
  /**
   * The recipient.
   */
  uint64_t to;
  /**
   * The sender.
   */
  uint64_t from;
  /**
   * The sender's term; 0 in a message that is valid in any.
   */
  uint64_t term;
  /**
   * In a RAFT_MSG_APP the term of the entry before those that it brings; 0 otherwise.
   */
  uint64_t log_term;
  /**
   * In a RAFT_MSG_APP the index of that entry; in a RAFT_MSG_APP_RESP that accepts, the last index that is
   * like the leader's; 0 otherwise.
   */
  uint64_t index;
  /**
   * In a RAFT_MSG_APP and a RAFT_MSG_HEARTBEAT the leader's commit index, as far as the recipient may
   * know it; 0 otherwise.
   */
  uint64_t commit;
  /**
   * What kind of message it is.
   */
  raft_message_type type;
  /**
   * The index of the snapshot in a RAFT_MSG_SNAP; 0 otherwise.
   */
  uint64_t snapshot_index;
  /**
   * The host's own data of that snapshot: a part of `encoded`. Empty otherwise.
   */
  struct raft_bytes snapshot_data;
  /**
   * The whole message as raftpb.Message: the bytes to put on the wire. Empty if there is nothing to it but
   * what stands above, and `entries`, and raft_config_set_encode_readys() is off.
   */
  struct raft_bytes encoded;
  /**
   * For RAFT_MSG_STORAGE_APPEND and RAFT_MSG_STORAGE_APPLY, what is to be delivered once the
   * work is done: those to this node itself with raft_node_step(), the others like any message.
   * NULL otherwise.
   */
  const struct raft_message *responses;
  /**
   * How many there are.
   */
  size_t responses_len;
  /**
   * What a RAFT_MSG_APP brings, if that is nowhere in `encoded`: a part of the Ready's own `entries`. NULL
   * otherwise.
   */
  const struct raft_entry *entries;
  /**
   * How many there are.
   */
  size_t entries_len;
} raft_message;

/**
 * The state machine's state at one point of the log. One of index 0 stands for the empty state
 * before the first entry.
 */
typedef struct raft_snapshot {
  /**
   * The last entry that it includes.
   */
  uint64_t index;
  /**
   * The term of that entry.
   */
  uint64_t term;
  /**
   * The members as of that entry.
   */
  struct raft_conf_state conf_state;
  /**
   * The host's own data: a part of `encoded`.
   */
  struct raft_bytes data;
  /**
   * The whole as raftpb.Snapshot.
   */
  struct raft_bytes encoded;
} raft_snapshot;

/**
 * A first member of a group, for raft_node_bootstrap().
 */
typedef struct raft_peer {
  /**
   * Its id.
   */
  uint64_t id;
  /**
   * Data for the host's own use, which comes back as the context of a configuration change.
   */
  struct raft_bytes context;
} raft_peer;

/**
 * The part that a node plays in its term: one of the RAFT_ROLE_ numbers.
 */
typedef int32_t raft_role;

/**
 * The state that a restart makes anew.
 */
typedef struct raft_soft_state {
  /**
   * The leader's id, 0 when none is known.
   */
  uint64_t leader;
  /**
   * The node's own role.
   */
  raft_role role;
} raft_soft_state;

/**
 * What has to be on stable storage before a node answers anybody.
 */
typedef struct raft_hard_state {
  /**
   * The latest term that the node has seen.
   */
  uint64_t term;
  /**
   * The candidate that got the node's vote in that term, 0 if nobody did.
   */
  uint64_t vote;
  /**
   * The highest index known to be committed.
   */
  uint64_t commit;
} raft_hard_state;

/**
 * A read that may be served once `index` is applied.
 */
typedef struct raft_read_state {
  /**
   * The index to be applied first.
   */
  uint64_t index;
  /**
   * What raft_node_read_index() was given.
   */
  struct raft_bytes context;
} raft_read_state;

/**
 * The core asks for the stored entries [low, high): at least one of them, and beyond the first no
 * more than `max_bytes` of encoded entries. To be answered, at any later time, with
 * raft_node_provide_entries() or raft_node_read_failed().
 */
typedef struct raft_read_request {
  /**
   * Names the request in the answer.
   */
  uint64_t id;
  /**
   * The first index wanted.
   */
  uint64_t low;
  /**
   * The index after the last one wanted.
   */
  uint64_t high;
  /**
   * The limit on encoded bytes.
   */
  uint64_t max_bytes;
} raft_read_request;

/**
 * The core asks for a snapshot to send to a peer. To be answered, at any later time, with
 * raft_node_provide_snapshot() or raft_node_snapshot_failed().
 */
typedef struct raft_snapshot_request {
  /**
   * Names the request in the answer.
   */
  uint64_t id;
  /**
   * The peer that needs it.
   */
  uint64_t to;
  /**
   * The lowest index that will do: the peer has asked for a snapshot of it
   * (raft_node_request_snapshot()). 0 if any does.
   */
  uint64_t min_index;
} raft_snapshot_request;

/**
 * What was dropped: one of the RAFT_DROPPED_ numbers.
 */
typedef int32_t raft_drop_kind;

/**
 * Something that the host was told was taken, and that will not happen.
 */
typedef struct raft_dropped {
  /**
   * What: one of the RAFT_DROPPED_ numbers.
   */
  raft_drop_kind kind;
  /**
   * Why: one of the RAFT_DROP_ numbers.
   */
  raft_drop_reason reason;
  /**
   * With RAFT_DROP_CONF_CHANGE_PENDING, the other change is at this index or below it; 0
   * otherwise.
   */
  uint64_t index;
  /**
   * To recognise it by: the command, the encoded configuration change, the read's context.
   */
  struct raft_bytes data;
} raft_dropped;

/**
 * One batch of work for the host. In this order:
 *
 * 1. persist `hard_state`, `entries` and `snapshot`, and sync if `must_sync`;
 *    raft_storage_save() does all that;
 * 2. send `messages` (a leader may send its RAFT_MSG_APP before 1; nothing else may);
 * 3. apply `snapshot`, then `committed_entries`; serve `read_states` whose index is applied;
 * 4. tell those who wait for something in `dropped`; answer `reads` and `snapshot_requests`, or do so later;
 * 5. raft_node_advance(), or raft_node_next_ready(), which does that and takes the next one.
 *
 * A storage that can't write all of step 1 at once writes in this order: `hard_state`'s term and
 * vote, with the commit index as it was; `snapshot`; the removal of what stands in the log in
 * place of which `snapshot` or `entries` come; `entries`; and the commit index last. A crash in
 * between then forgets no vote, leaves no entry of a term that the node has not seen, and no commit
 * index beyond the log. When it starts again, such a storage drops its log if that does not have
 * the last entry that its snapshot includes.
 *
 * A pointer is NULL if there is nothing of its kind, and a list of length 0 is NULL. Everything
 * here is borrowed from the node until the next successful raft_node_ready(), raft_node_next_ready() or
 * raft_node_peek_ready() on it, or raft_node_free(). Other calls do not touch it, so that one
 * thread may persist and send while another feeds the node.
 */
typedef struct raft_ready {
  /**
   * Present if the leader or the role has changed. Need not be persisted.
   */
  const struct raft_soft_state *soft_state;
  /**
   * Present if it has changed.
   */
  const struct raft_hard_state *hard_state;
  /**
   * To be persisted, in place of the stored log up to its index, and to be applied.
   */
  const struct raft_snapshot *snapshot;
  /**
   * To be appended to the stored log, in place of what it has from the first one's index on.
   */
  const struct raft_entry *entries;
  /**
   * How many there are.
   */
  size_t entries_len;
  /**
   * To be applied.
   */
  const struct raft_entry *committed_entries;
  /**
   * How many there are.
   */
  size_t committed_entries_len;
  /**
   * To be sent, in this order for each recipient.
   */
  const struct raft_message *messages;
  /**
   * How many there are.
   */
  size_t messages_len;
  /**
   * Reads that may be served once their index is applied.
   */
  const struct raft_read_state *read_states;
  /**
   * How many there are.
   */
  size_t read_states_len;
  /**
   * Stored entries that the core needs. Empty for a node that reads from its own storage.
   */
  const struct raft_read_request *reads;
  /**
   * How many there are.
   */
  size_t reads_len;
  /**
   * Snapshots that the core needs. Empty for a node that reads from its own storage.
   */
  const struct raft_snapshot_request *snapshot_requests;
  /**
   * How many there are.
   */
  size_t snapshot_requests_len;
  /**
   * What the host was told was taken and will not happen: its configuration changes that the
   * leader refused, its reads that a leader left unanswered; and what other nodes have dropped,
   * see raft_config_set_peer_reports(). What may still happen is never here, and what a call has
   * refused with an error is not either.
   */
  const struct raft_dropped *dropped;
  /**
   * How many there are.
   */
  size_t dropped_len;
  /**
   * What has happened since the last Ready, for hosts that count or log. Events alone make no
   * Ready: they come along with the next one, at most 256 of them. The oldest are lost, and
   * counted (raft_metrics).
   */
  const struct raft_event *events;
  /**
   * How many there are.
   */
  size_t events_len;
  /**
   * Whether `hard_state` and `entries` need a sync; false if only the commit index moved.
   */
  bool must_sync;
  /**
   * The whole as protobuf, libraft.Ready. Empty if raft_config_set_encode_readys() or
   * raft_config_set_encode_entries() is off.
   */
  struct raft_bytes encoded;
  /**
   * For the library's own use.
   */
  const void *internal;
} raft_ready;

/**
 * A member and its commit group, for raft_node_assign_commit_groups().
 */
typedef struct raft_commit_group {
  /**
   * The member's id.
   */
  uint64_t id;
  /**
   * Its group, numbered from 1.
   */
  uint64_t group;
} raft_commit_group;

/**
 * How group commit stands: one of the RAFT_GROUP_COMMIT_ numbers.
 */
typedef int32_t raft_group_commit_state;

/**
 * What became of a snapshot that was sent: one of the RAFT_SNAPSHOT_ numbers.
 */
typedef int32_t raft_snapshot_status;

/**
 * Requests for a host that answers them at once, between two Readys. Borrowed from the node
 * until the next raft_node_take_requests() on it, or raft_node_free().
 */
typedef struct raft_requests {
  /**
   * Stored entries that the core needs.
   */
  const struct raft_read_request *reads;
  /**
   * How many there are.
   */
  size_t reads_len;
  /**
   * Snapshots that the core needs.
   */
  const struct raft_snapshot_request *snapshot_requests;
  /**
   * How many there are.
   */
  size_t snapshot_requests_len;
} raft_requests;

/**
 * Why a raft_read_request can't be answered: one of the RAFT_READ_ numbers.
 */
typedef int32_t raft_read_failure;

/**
 * A node's state at one moment. The caller sets `size` to sizeof(raft_node_status) before the
 * call; see Sizes in this file's opening comment.
 */
typedef struct raft_node_status {
  /**
   * sizeof(raft_node_status), set by the caller.
   */
  size_t size;
  /**
   * The node's id.
   */
  uint64_t id;
  /**
   * Its term.
   */
  uint64_t term;
  /**
   * Its vote in that term, 0 if it gave none.
   */
  uint64_t vote;
  /**
   * The highest index known to be committed.
   */
  uint64_t commit;
  /**
   * The highest index that the host has applied.
   */
  uint64_t applied;
  /**
   * The leader's id, 0 when none is known.
   */
  uint64_t leader;
  /**
   * The target of a leadership transfer under way, 0 when there is none.
   */
  uint64_t lead_transferee;
  /**
   * The first index of the log that has not been compacted.
   */
  uint64_t first_index;
  /**
   * The last index of the log; first_index - 1 when it is empty.
   */
  uint64_t last_index;
  /**
   * The last index that is on this node's stable storage.
   */
  uint64_t persisted;
  /**
   * Not 0 if the node is no member any more, as far as it knows: it was none when this index was
   * applied.
   */
  uint64_t removed_as_of;
  /**
   * Its role.
   */
  raft_role role;
} raft_node_status;

/**
 * How the leader sends to a member: one of the RAFT_FLOW_ numbers.
 */
typedef int32_t raft_flow_state;

/**
 * What the leader knows of one member; see raft_node_progress().
 */
typedef struct raft_progress {
  /**
   * The member.
   */
  uint64_t id;
  /**
   * The last index known to be on its stable storage.
   */
  uint64_t match_index;
  /**
   * The next index to send.
   */
  uint64_t next_index;
  /**
   * The index of the snapshot on its way, 0 if none is.
   */
  uint64_t pending_snapshot;
  /**
   * Appends in flight.
   */
  uint64_t inflight_messages;
  /**
   * Payload bytes in flight.
   */
  uint64_t inflight_bytes;
  /**
   * How it is sent to.
   */
  raft_flow_state state;
  /**
   * Whether sending waits for an answer.
   */
  bool paused;
  /**
   * Whether it has been heard from since the last check of the quorum.
   */
  bool recent_active;
  /**
   * Whether it has no vote.
   */
  bool learner;
  /**
   * Whether no further append may be in flight.
   */
  bool inflight_full;
} raft_progress;

/**
 * Counters of a node since it was made. They never decrease. The caller sets `size` to
 * sizeof(raft_metrics) before the call; see Sizes in this file's opening comment.
 */
typedef struct raft_metrics {
  /**
   * sizeof(raft_metrics), set by the caller.
   */
  size_t size;
  /**
   * Ticks, quiesced ones included.
   */
  uint64_t ticks;
  /**
   * Messages taken from peers, and from storage workers.
   */
  uint64_t messages_received;
  /**
   * Messages refused: malformed, impossible, of an unknown peer.
   */
  uint64_t messages_refused;
  /**
   * Messages to peers; not those to the node itself or to storage workers.
   */
  uint64_t messages_sent;
  /**
   * Campaigns that were due and not allowed.
   */
  uint64_t campaigns_refused;
  /**
   * Pre-elections started.
   */
  uint64_t pre_elections_started;
  /**
   * Elections started, transfers excepted.
   */
  uint64_t elections_started;
  /**
   * Elections started because a leader hands over.
   */
  uint64_t transfer_elections_started;
  /**
   * Elections won.
   */
  uint64_t elections_won;
  /**
   * Elections and pre-elections lost: refused by too many.
   */
  uint64_t elections_lost_outvoted;
  /**
   * Elections and pre-elections lost: a message of a higher term came.
   */
  uint64_t elections_lost_higher_term;
  /**
   * Elections and pre-elections lost: somebody else leads.
   */
  uint64_t elections_lost_leader_appeared;
  /**
   * Elections and pre-elections lost: too few answers, or called anew.
   */
  uint64_t elections_lost_timed_out;
  /**
   * Votes granted to others; pre-votes are not counted.
   */
  uint64_t votes_granted;
  /**
   * Votes refused to others; pre-votes are not counted.
   */
  uint64_t votes_refused;
  /**
   * Leaderships ended by a higher term.
   */
  uint64_t step_downs_higher_term;
  /**
   * Leaderships ended for want of a quorum.
   */
  uint64_t step_downs_check_quorum;
  /**
   * Leaderships ended by a removal.
   */
  uint64_t step_downs_removed;
  /**
   * Changes of role.
   */
  uint64_t role_changes;
  /**
   * Changes of the known leader, to none and back included.
   */
  uint64_t leader_changes;
  /**
   * Commands and configuration changes that this leader has appended to its log.
   */
  uint64_t proposals_taken;
  /**
   * Proposals that this node has passed on to a leader.
   */
  uint64_t proposals_forwarded;
  /**
   * Proposals dropped: no leader known.
   */
  uint64_t proposals_dropped_no_leader;
  /**
   * Proposals dropped: a follower that may not forward.
   */
  uint64_t proposals_dropped_forwarding_disabled;
  /**
   * Proposals dropped: a leader that is no member.
   */
  uint64_t proposals_dropped_removed;
  /**
   * Proposals dropped: leadership is being transferred.
   */
  uint64_t proposals_dropped_transferring;
  /**
   * Proposals dropped: too many uncommitted bytes.
   */
  uint64_t proposals_dropped_uncommitted_limit;
  /**
   * Proposals dropped: sent to a leadership that has ended.
   */
  uint64_t proposals_dropped_leader_changed;
  /**
   * Configuration changes that this leader has appended to its log.
   */
  uint64_t conf_changes_proposed;
  /**
   * Configuration changes that this leader has turned into empty entries.
   */
  uint64_t conf_changes_refused;
  /**
   * Configuration changes applied.
   */
  uint64_t conf_changes_applied;
  /**
   * Reads asked for, by this node's host or, on a leader, by others.
   */
  uint64_t reads_asked;
  /**
   * Reads that this node has passed on to a leader.
   */
  uint64_t reads_forwarded;
  /**
   * Reads answered: read states for the host and answers to others.
   */
  uint64_t reads_answered;
  /**
   * Reads dropped, whatever the reason.
   */
  uint64_t reads_dropped;
  /**
   * Appends sent.
   */
  uint64_t appends_sent;
  /**
   * Acknowledgements of other members that came to this leader. Fewer than appends: see
   * raft_config_set_coalesce_appends().
   */
  uint64_t appends_accepted;
  /**
   * Refusals of other members that came to this leader.
   */
  uint64_t appends_rejected;
  /**
   * Heartbeats sent.
   */
  uint64_t heartbeats_sent;
  /**
   * Snapshots sent.
   */
  uint64_t snapshots_sent;
  /**
   * Snapshots taken in place of the log.
   */
  uint64_t snapshots_installed;
  /**
   * Snapshots that were of no use.
   */
  uint64_t snapshots_ignored;
  /**
   * Snapshots that did not arrive, as the host reported.
   */
  uint64_t snapshots_failed;
  /**
   * Changes of how a member is sent to.
   */
  uint64_t flow_changes;
  /**
   * Entries appended to this node's log, as a leader or as a follower.
   */
  uint64_t entries_appended;
  /**
   * How far the commit index has moved since the node was made.
   */
  uint64_t entries_committed;
  /**
   * How far the host has applied since the node was made.
   */
  uint64_t entries_applied;
  /**
   * Leadership transfers started.
   */
  uint64_t transfers_started;
  /**
   * Leadership transfers that have timed out.
   */
  uint64_t transfers_timed_out;
  /**
   * Leadership transfers given up for another reason than a step-down.
   */
  uint64_t transfers_aborted;
  /**
   * Requests for entries and snapshots made to the host.
   */
  uint64_t requests_made;
  /**
   * Requests for entries and snapshots made again because no answer came.
   */
  uint64_t requests_repeated;
  /**
   * Reports sent to peers of what was dropped, and of their removal.
   */
  uint64_t reports_sent;
  /**
   * Reports taken from peers of what was dropped, and of their removal.
   */
  uint64_t reports_received;
  /**
   * Forwarded proposals discarded because they had come before.
   */
  uint64_t repeats_discarded;
  /**
   * Events lost because the host took no Ready for too long.
   */
  uint64_t events_lost;
} raft_metrics;

/**
 * A node of an array that a call could do nothing with; see raft_nodes_tick().
 */
typedef struct raft_node_failure {
  /**
   * Its place in the array.
   */
  uint32_t index;
  /**
   * What raft_node_tick_many() would have returned for it.
   */
  raft_status status;
} raft_node_failure;

/**
 * A label of Prometheus: what tells a node's numbers from those of others. Both are UTF-8.
 */
typedef struct raft_label {
  /**
   * Its name: letters, digits and _, of which no digit is the first and no two _ are. "node",
   * "peer", "role" and "state" are the library's own.
   */
  struct raft_bytes name;
  /**
   * Its value, which may be any text.
   */
  struct raft_bytes value;
} raft_label;

/**
 * How a recording stands: one of the RAFT_RECORDING_ numbers.
 */
typedef int32_t raft_recording_state;

/**
 * What came of a replay. The caller sets `size` to sizeof(raft_replay_report) before the call;
 * see Sizes in this file's opening comment.
 */
typedef struct raft_replay_report {
  /**
   * sizeof(raft_replay_report), set by the caller.
   */
  size_t size;
  /**
   * How many calls were made.
   */
  uint64_t calls;
  /**
   * How many Readys the recorded node's host has seen.
   */
  uint64_t readys;
  /**
   * The first call, counted from 1, that has not done what it did when it was recorded; 0 if all
   * have. With another version of the library that need not mean anything; with the same, it is a
   * defect.
   */
  uint64_t differs_at;
  /**
   * What that call returned when it was recorded; RAFT_ERR_PANIC if it did not.
   */
  raft_status recorded_status;
  /**
   * What it has returned now. If that is the same, what it gave is another: a Ready, say.
   */
  raft_status replayed_status;
  /**
   * Why the recording ends: RAFT_RECORDING_ON if it was just taken there, else as for
   * raft_node_record_state().
   */
  raft_recording_state end;
} raft_replay_report;

/**
 * What raft_storage_open() found. The caller sets `size` to sizeof(raft_recovery_report) before
 * the call; see Sizes in this file's opening comment.
 */
typedef struct raft_recovery_report {
  /**
   * sizeof(raft_recovery_report), set by the caller.
   */
  size_t size;
  /**
   * Writes that were begun, of which nobody was told that they succeeded, and of which nothing
   * is left.
   */
  uint64_t discarded_writes;
  /**
   * Whether the storage existed and its last user did not close it, but ended in the middle.
   */
  bool crashed;
} raft_recovery_report;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/**
 * The version of the binary interface of the library that the program runs with; to be
 * compared with RAFT_ABI_VERSION.
 *
 * Threads: Any.
 */
uint32_t raft_abi_version(void);

/**
 * The version of the library as text, such as "0.1.0".
 *
 * Memory: The text is static, and never freed.
 *
 * Threads: Any.
 */
const char *raft_version_string(void);

/**
 * A view of a buffer's bytes. For NULL, an empty one.
 *
 * Memory: The view is borrowed from `buffer`, and valid until that is freed.
 *
 * Threads: Any.
 */
struct raft_bytes raft_buffer_bytes(const struct raft_buffer *buffer);

/**
 * Frees a buffer. NULL is ignored.
 *
 * Memory: `buffer` and the views of it are gone.
 *
 * Threads: No other thread uses it, or will.
 */
void raft_buffer_free(struct raft_buffer *buffer);

/**
 * The message: one line of UTF-8, never NULL. For NULL, the empty string.
 *
 * Memory: The text is borrowed from `error`, and valid until that is freed; for NULL, it is
 * static.
 *
 * Threads: Any.
 */
const char *raft_error_message(const struct raft_error *error);

/**
 * The code, the same that the call returned. For NULL, RAFT_OK.
 *
 * Threads: Any.
 */
raft_status raft_error_code(const struct raft_error *error);

/**
 * Why the proposal or the read was dropped, if the code is RAFT_ERR_DROPPED or
 * RAFT_ERR_READ_DROPPED; otherwise, and for NULL, RAFT_DROP_NONE.
 *
 * Threads: Any.
 */
raft_drop_reason raft_error_drop_reason(const struct raft_error *error);

/**
 * Frees an error. NULL is ignored.
 *
 * Memory: `error` and its message are gone.
 *
 * Threads: No other thread uses it, or will.
 */
void raft_error_free(struct raft_error *error);

/**
 * The name of a code, such as "RAFT_ERR_DROPPED"; "RAFT_ERR_?" for a number that is none.
 *
 * Memory: The text is static, and never freed.
 *
 * Threads: Any.
 */
const char *raft_status_name(raft_status status);

/**
 * Decodes the data of an entry of type RAFT_ENTRY_CONF_CHANGE or RAFT_ENTRY_CONF_CHANGE_V2.
 *
 * Errors: those of any call; RAFT_ERR_ARGUMENT (a length above PTRDIFF_MAX, another type),
 * RAFT_ERR_MALFORMED.
 *
 * Memory: `data` is borrowed for the call. `out` belongs to the caller, who frees it with
 * raft_conf_change_free().
 *
 * Threads: Any.
 */
raft_status raft_conf_change_decode(raft_entry_type entry_type,
                                    const uint8_t *data,
                                    size_t len,
                                    struct raft_conf_change **out,
                                    struct raft_error **error);

/**
 * Frees a configuration change. NULL is ignored.
 *
 * Memory: `change` is gone, with all that it points to.
 *
 * Threads: No other thread uses it, or will.
 */
void raft_conf_change_free(struct raft_conf_change *change);

/**
 * Encodes a change as raftpb.ConfChangeV2, for raft_node_propose_conf_change_encoded() with
 * RAFT_ENTRY_CONF_CHANGE_V2. `changes` are `changes_len` steps, `context` is for the host's own
 * use and comes back with the applied entry.
 *
 * Errors: those of any call; RAFT_ERR_ARGUMENT (a length above PTRDIFF_MAX, an unknown transition
 * or type of step).
 *
 * Memory: `changes` and `context` are borrowed for the call. `out` belongs to the caller, who
 * frees it with raft_buffer_free().
 *
 * Threads: Any.
 */
raft_status raft_conf_change_encode(raft_transition transition,
                                    const struct raft_conf_change_single *changes,
                                    size_t changes_len,
                                    const uint8_t *context,
                                    size_t context_len,
                                    struct raft_buffer **out,
                                    struct raft_error **error);

/**
 * Frees a configuration that a function gave to the caller. Not for one that is part of a
 * raft_snapshot. NULL is ignored.
 *
 * Memory: `conf_state` is gone, with all that it points to.
 *
 * Threads: No other thread uses it, or will.
 */
void raft_conf_state_free(struct raft_conf_state *conf_state);

/**
 * Makes a configuration with sound defaults for the node `id`, which is not 0, below
 * RAFT_LOCAL_APPLY, and never used again for another machine.
 *
 * Errors: those of any call.
 *
 * Memory: `out` belongs to the caller, who frees it with raft_config_free().
 *
 * Threads: Any.
 */
raft_status raft_config_new(uint64_t id, struct raft_config **out, struct raft_error **error);

/**
 * Frees a configuration. NULL is ignored.
 *
 * Memory: `config` is gone, with all that it points to.
 *
 * Threads: No other thread uses it, or will.
 */
void raft_config_free(struct raft_config *config);

/**
 * Ticks without word from a leader before an election; each wait is drawn anew from
 * [ticks, 2 * ticks). Greater than the heartbeat ticks; ten times that is usual. Default 10.
 *
 * Errors: those of any call. Whether the value fits is checked when a node is made.
 *
 * Threads: Any.
 */
raft_status raft_config_set_election_ticks(struct raft_config *config,
                                           uint32_t ticks,
                                           struct raft_error **error);

/**
 * The shortest wait for an election, in place of the election ticks; at least as many as
 * these. 0 stands for the default. Default 0.
 *
 * Errors: those of any call. Whether the value fits is checked when a node is made.
 *
 * Threads: Any.
 */
raft_status raft_config_set_min_election_ticks(struct raft_config *config,
                                               uint32_t ticks,
                                               struct raft_error **error);

/**
 * The end of the range that a wait for an election is drawn from, itself excluded, in place
 * of twice the election ticks; greater than the shortest wait. 0 stands for the default.
 * Default 0.
 *
 * Errors: those of any call. Whether the value fits is checked when a node is made.
 *
 * Threads: Any.
 */
raft_status raft_config_set_max_election_ticks(struct raft_config *config,
                                               uint32_t ticks,
                                               struct raft_error **error);

/**
 * Ticks between two heartbeats of the leader; at least 1. Default 1.
 *
 * Errors: those of any call. Whether the value fits is checked when a node is made.
 *
 * Threads: Any.
 */
raft_status raft_config_set_heartbeat_ticks(struct raft_config *config,
                                            uint32_t ticks,
                                            struct raft_error **error);

/**
 * Seeds the randomized election timeouts, so that a run can be repeated exactly. By default
 * each node takes a seed from the operating system when it is made.
 *
 * Errors: those of any call. Whether the value fits is checked when a node is made.
 *
 * Threads: Any.
 */
raft_status raft_config_set_seed(struct raft_config *config,
                                 uint64_t seed,
                                 struct raft_error **error);

/**
 * Whether to ask the others before disturbing them with an election. Default true.
 *
 * Errors: those of any call. Whether the value fits is checked when a node is made.
 *
 * Threads: Any.
 */
raft_status raft_config_set_pre_vote(struct raft_config *config,
                                     bool on,
                                     struct raft_error **error);

/**
 * Whether a leader that has not heard from a quorum for the election ticks steps down, and a
 * node that has heard from a leader for less than that refuses to vote. Default true.
 *
 * Errors: those of any call. Whether the value fits is checked when a node is made.
 *
 * Threads: Any.
 */
raft_status raft_config_set_check_quorum(struct raft_config *config,
                                         bool on,
                                         struct raft_error **error);

/**
 * A voter refuses its vote to a candidate of lower priority, unless that one's log has more;
 * so a transfer of leadership may fail, too, where a majority has a higher priority than its
 * target. It travels with requests for votes if it is not 0, in a field that etcd-io/raft
 * passes over; nodes that know nothing of it count as 0. See raft_node_set_priority().
 * Default 0.
 *
 * Errors: those of any call. Whether the value fits is checked when a node is made.
 *
 * Threads: Any.
 */
raft_status raft_config_set_priority(struct raft_config *config,
                                     int64_t priority,
                                     struct raft_error **error);

/**
 * How reads are confirmed: one of the RAFT_READ_ONLY_ numbers. Default RAFT_READ_ONLY_SAFE.
 *
 * Errors: those of any call. Whether the value fits is checked when a node is made.
 *
 * Threads: Any.
 */
raft_status raft_config_set_read_only(struct raft_config *config,
                                      raft_read_only option,
                                      struct raft_error **error);

/**
 * At most this many encoded bytes of entries in one append, though at least one entry.
 * Default 1 MiB.
 *
 * Errors: those of any call. Whether the value fits is checked when a node is made.
 *
 * Threads: Any.
 */
raft_status raft_config_set_max_size_per_msg(struct raft_config *config,
                                             uint64_t bytes,
                                             struct raft_error **error);

/**
 * At most this many encoded bytes of committed entries in one Ready, though at least one
 * entry; 0 stands for the maximum size of a message. Default 0.
 *
 * Errors: those of any call. Whether the value fits is checked when a node is made.
 *
 * Threads: Any.
 */
raft_status raft_config_set_max_committed_size_per_ready(struct raft_config *config,
                                                         uint64_t bytes,
                                                         struct raft_error **error);

/**
 * Proposals are dropped while more than this many payload bytes are uncommitted; 0 stands
 * for no limit. Default 0.
 *
 * Errors: those of any call. Whether the value fits is checked when a node is made.
 *
 * Threads: Any.
 */
raft_status raft_config_set_max_uncommitted_bytes(struct raft_config *config,
                                                  uint64_t bytes,
                                                  struct raft_error **error);

/**
 * At most this many appends in flight to one peer; at least 1. Default 256.
 *
 * Errors: those of any call. Whether the value fits is checked when a node is made.
 *
 * Threads: Any.
 */
raft_status raft_config_set_max_inflight_msgs(struct raft_config *config,
                                              uint32_t messages,
                                              struct raft_error **error);

/**
 * At most this many payload bytes in flight to one peer; 0 stands for no limit, otherwise at
 * least the maximum size of a message. Default 0.
 *
 * Errors: those of any call. Whether the value fits is checked when a node is made.
 *
 * Threads: Any.
 */
raft_status raft_config_set_max_inflight_bytes(struct raft_config *config,
                                               uint64_t bytes,
                                               struct raft_error **error);

/**
 * Of the entries that are persisted and applied, a leader keeps in memory those that a member
 * has not acknowledged, up to this many encoded bytes, so that a member that lags is served
 * without a read; and up to one batch more, since what came together goes together. A node that
 * does not lead keeps none: whoever lags when the leader changes, or is new, is served by reads.
 * Default 64 MiB.
 *
 * Errors: those of any call. Whether the value fits is checked when a node is made.
 *
 * Threads: Any.
 */
raft_status raft_config_set_max_cached_bytes(struct raft_config *config,
                                             uint64_t bytes,
                                             struct raft_error **error);

/**
 * At most this many reads wait for confirmation; more are dropped. At least 1. Default
 * 65,536.
 *
 * Errors: those of any call. Whether the value fits is checked when a node is made.
 *
 * Threads: Any.
 */
raft_status raft_config_set_max_pending_reads(struct raft_config *config,
                                              uint32_t reads,
                                              struct raft_error **error);

/**
 * Whether appends are built when the Ready is taken, one for each peer and batch of
 * proposals, instead of one for each proposal; and a follower leaves an append unanswered that brings
 * nothing but the word that all its entries are committed, when it has answered another since
 * the last heartbeat. Default true. False is for
 * hosts that want what etcd-io/raft sends, message for message; with asynchronous storage
 * writes that includes a fault: a request for votes then leaves before the candidate's term
 * and log are persisted, and a candidate that forgets them in a crash can be elected without a
 * committed entry.
 *
 * Errors: those of any call. Whether the value fits is checked when a node is made.
 *
 * Threads: Any.
 */
raft_status raft_config_set_coalesce_appends(struct raft_config *config,
                                             bool on,
                                             struct raft_error **error);

/**
 * Whether storage work is handed out as messages to RAFT_LOCAL_APPEND and RAFT_LOCAL_APPLY,
 * with their responses attached, instead of in the Ready. Default false.
 *
 * Errors: those of any call. Whether the value fits is checked when a node is made.
 *
 * Threads: Any.
 */
raft_status raft_config_set_async_storage_writes(struct raft_config *config,
                                                 bool on,
                                                 struct raft_error **error);

/**
 * With asynchronous storage writes, a leader hands out committed entries to be applied when at
 * most this many of them are not yet persisted here: others have persisted them. See
 * raft_node_set_max_apply_unpersisted_entries() for what the host has to mind. Default 0.
 *
 * Errors: those of any call. Whether the value fits is checked when a node is made.
 *
 * Threads: Any.
 */
raft_status raft_config_set_max_apply_unpersisted_entries(struct raft_config *config,
                                                          uint64_t entries,
                                                          struct raft_error **error);

/**
 * Whether followers drop proposals instead of passing them on to the leader. Default false.
 *
 * Errors: those of any call. Whether the value fits is checked when a node is made.
 *
 * Threads: Any.
 */
raft_status raft_config_set_disable_proposal_forwarding(struct raft_config *config,
                                                        bool on,
                                                        struct raft_error **error);

/**
 * Whether configuration changes are taken without being checked against the current
 * configuration when they are proposed. For hosts that check by themselves. Default false.
 *
 * Errors: those of any call. Whether the value fits is checked when a node is made.
 *
 * Threads: Any.
 */
raft_status raft_config_set_disable_conf_change_validation(struct raft_config *config,
                                                           bool on,
                                                           struct raft_error **error);

/**
 * Whether a leader that is removed or made a learner steps down when that is applied.
 * Default false.
 *
 * Errors: those of any call. Whether the value fits is checked when a node is made.
 *
 * Threads: Any.
 */
raft_status raft_config_set_step_down_on_removal(struct raft_config *config,
                                                 bool on,
                                                 struct raft_error **error);

/**
 * Whether to tell peers, and be told by them, what has been dropped of that which was passed on
 * (raft_ready's `dropped`), and to tell nodes that they have been removed. This takes a message
 * field and message types that etcd-io/raft does not know; its nodes ignore the one and are
 * never sent the others, so that this may be on in some nodes of a group and off in others.
 *
 * A proposal that is passed on is then good for the leadership that it was sent to, and for one
 * delivery: a copy of it, or one that comes late, is discarded. Default false.
 *
 * Errors: those of any call. Whether the value fits is checked when a node is made.
 *
 * Threads: Any.
 */
raft_status raft_config_set_peer_reports(struct raft_config *config,
                                         bool on,
                                         struct raft_error **error);

/**
 * Whether to record every call on the node, from its making on, so that raft_replay() can make
 * them again: for reports of defects, above all. At most `max_bytes` wait to be taken with
 * raft_node_record_take(), and at least 256; 0 records nothing. When they are full, recording
 * stops for good at a whole call, and the recording says so; a host that takes them often enough
 * records for as long as it likes. A recording begins with the node, since most of what decides
 * what a node does is in no storage: to record one that runs, free it and make it anew.
 *
 * It holds everything that the node is given, the data of proposals, snapshots and reads
 * included. What a function refuses before it comes to the node (NULL, numbers that are none,
 * bytes that are no entry) is no call, and questions that change nothing are none either. The
 * node does the same with it as without. Default 0.
 *
 * Errors: those of any call. Whether the value fits is checked when a node is made.
 *
 * Threads: Any.
 */
raft_status raft_config_set_record_bytes(struct raft_config *config,
                                         uint64_t max_bytes,
                                         struct raft_error **error);

/**
 * Whether what a Ready has is there as bytes as well as in structs. A host that makes its own bytes of
 * what it stores and sends can do without: raft_ready's `encoded` is empty then, and so is that of an entry
 * and of a message if the struct tells all that there is (of messages: RAFT_MSG_APP that brings nothing, or
 * entries that are in the same Ready to be persisted; RAFT_MSG_APP_RESP that accepts; and without contexts
 * RAFT_MSG_HEARTBEAT and RAFT_MSG_HEARTBEAT_RESP). Payloads are lent from where the node has them, for as
 * long as anything of a Ready. raft_storage_save() takes such a Ready like any other. Default true.
 *
 * Errors: those of any call.
 *
 * Threads: Any.
 */
raft_status raft_config_set_encode_readys(struct raft_config *config,
                                          bool on,
                                          struct raft_error **error);

/**
 * Whether there are, beside the bytes of its messages, those of what a Ready has to be stored and applied. A
 * host that stores it with raft_storage_save() has no use for them: some 5% of what three nodes do for a small
 * proposal. Without them `encoded` is empty in raft_ready, and in an entry if the struct tells all that there
 * is; payloads are lent from where the node has them, for as long as anything of a Ready. Messages are bytes
 * as ever. With raft_config_set_encode_readys() off, there are none of them anyway. Default true.
 *
 * Errors: those of any call.
 *
 * Threads: Any.
 */
raft_status raft_config_set_encode_entries(struct raft_config *config,
                                           bool on,
                                           struct raft_error **error);

/**
 * For raft_node_new(): up to where the host's own state has the log applied, so that the
 * node begins to hand out committed entries after that. By default that is the snapshot in
 * the storage, which is right for a host that restores its state from there. `conf_state` is
 * the encoded raftpb.ConfState as of that index; of length 0 it stands for the members in
 * the snapshot, if no configuration change was applied since.
 *
 * Errors: those of any call; RAFT_ERR_ARGUMENT (a length above PTRDIFF_MAX), RAFT_ERR_MALFORMED
 * (no raftpb.ConfState). Whether the log reaches there is checked when a node is made.
 *
 * Memory: `conf_state` is borrowed for the call.
 *
 * Threads: Any.
 */
raft_status raft_config_set_applied(struct raft_config *config,
                                    uint64_t index,
                                    const uint8_t *conf_state,
                                    size_t conf_state_len,
                                    struct raft_error **error);

/**
 * For raft_node_new(): whether the node leaves its requests for entries and snapshots to the
 * host, in raft_ready.reads and raft_ready.snapshot_requests, instead of answering them from
 * its storage by itself. For hosts that will not wait for the disk, or that send snapshots
 * their own way. Default false.
 *
 * Errors: those of any call. Whether the value fits is checked when a node is made.
 *
 * Threads: Any.
 */
raft_status raft_config_set_show_requests(struct raft_config *config,
                                          bool on,
                                          struct raft_error **error);

/**
 * Frees a list of entries. NULL is ignored.
 *
 * Memory: `entries` is gone, with all that it points to.
 *
 * Threads: No other thread uses it, or will.
 */
void raft_entries_free(struct raft_entries *entries);

/**
 * The name of a type of event, such as "RAFT_EVENT_ROLE_CHANGED"; "RAFT_EVENT_?" for a number that
 * is none.
 *
 * Memory: The text is static, and never freed.
 *
 * Threads: Any.
 */
const char *raft_event_name(raft_event_type type);

/**
 * The name of a reason of such an event, such as "RAFT_LOSS_OUTVOTED"; "" for a type that has no
 * reasons, and for a number that is none.
 *
 * Memory: The text is static, and never freed.
 *
 * Threads: Any.
 */
const char *raft_event_reason_name(raft_event_type type, int32_t reason);

/**
 * The name of what an event is about, such as "RAFT_CAMPAIGN_ELECTION"; "" for a type that has no
 * kinds, and for a number that is none.
 *
 * Memory: The text is static, and never freed.
 *
 * Threads: Any.
 */
const char *raft_event_kind_name(raft_event_type type, int32_t kind);

/**
 * The name of a reason for a drop, such as "RAFT_DROP_NO_LEADER"; "" for a number that is none.
 *
 * Memory: The text is static, and never freed.
 *
 * Threads: Any.
 */
const char *raft_drop_reason_name(raft_drop_reason reason);

/**
 * How a log should rank an event. For NULL, and for what is no event that the library makes,
 * RAFT_LEVEL_DEBUG.
 *
 * Memory: `event` is borrowed for the call.
 *
 * Threads: Any.
 */
raft_level raft_event_level(const struct raft_event *event);

/**
 * An event as one line of ASCII for a log, without a line end: what has happened, then its
 * fields, as in "election_lost kind=election reason=outvoted by=0 term=4 granted=1 refused=2".
 * Names of fields and reasons stay the same in later versions; there may be more. The node that
 * it has happened in is not in it.
 *
 * Errors: those of any call; RAFT_ERR_ARGUMENT (no event that this version of the library makes).
 *
 * Memory: `event` is borrowed for the call. `out` belongs to the caller, who frees it with
 * raft_buffer_free().
 *
 * Threads: Any.
 */
raft_status raft_event_text(const struct raft_event *event,
                            struct raft_buffer **out,
                            struct raft_error **error);

/**
 * An event as a JSON object: its "type", such as "election_lost", and its fields, which have the
 * names that raft_event_text() gives them. Reasons, kinds, roles and so on are strings; ids,
 * terms, indexes and counts are numbers, as raft_node_status_json() has them.
 *
 * Errors: those of any call; RAFT_ERR_ARGUMENT (no event that this version of the library makes).
 *
 * Memory: `event` is borrowed for the call. `out` belongs to the caller, who frees it with
 * raft_buffer_free().
 *
 * Threads: Any.
 */
raft_status raft_event_json(const struct raft_event *event,
                            struct raft_buffer **out,
                            struct raft_error **error);

/**
 * Looks into a message as it came from a peer, without handing it to a node, which
 * raft_node_step() does: for a transport that checks sender and recipient first, or the data of a
 * snapshot.
 *
 * RAFT_MSG_STORAGE_APPEND and the three types after it pass this function, without their
 * responses, since a host may have them encoded for its own workers. A transport has to refuse
 * them from a peer: they speak for this node's own storage, and a node with asynchronous
 * storage writes would believe them.
 *
 * Errors: those of any call; RAFT_ERR_ARGUMENT (a length above PTRDIFF_MAX), RAFT_ERR_MALFORMED
 * (no raftpb.Message), RAFT_ERR_IMPOSSIBLE (no correct peer sends it), RAFT_ERR_LOCAL_MESSAGE (a
 * kind that never travels).
 *
 * Memory: `out` is the caller's own struct. Its views point into `data`, and are valid as long as
 * that is.
 *
 * Threads: Any.
 */
raft_status raft_message_decode(const uint8_t *data,
                                size_t len,
                                struct raft_message *out,
                                struct raft_error **error);

/**
 * Frees a snapshot that a function gave to the caller. Not for one that is part of a
 * raft_ready. NULL is ignored.
 *
 * Memory: `snapshot` is gone, with all that it points to.
 *
 * Threads: No other thread uses it, or will.
 */
void raft_snapshot_free(struct raft_snapshot *snapshot);

/**
 * Makes a node on a storage, from whatever that holds: nothing (a node that knows no members waits
 * until a leader's messages bring it up), what raft_storage_bootstrap() wrote, or what it had when
 * it stopped. It reads from the storage by itself (but see raft_config_set_show_requests()) and
 * follows its compaction; the host writes to it, with raft_storage_save().
 *
 * Two nodes must not be opened on one storage: each would take the other's state for its own.
 *
 * Errors: those of any call; RAFT_ERR_CONFIG (a setting, or several together; the message says
 * which), RAFT_ERR_RESTART_STATE (what is stored contradicts itself), RAFT_ERR_ARGUMENT (what
 * raft_config_set_applied() said does not fit the log), RAFT_ERR_IO (no seed from the system).
 *
 * Memory: The node keeps a copy of `config` and a reference to what is behind `storage`, so that
 * both may be freed at any time. `out` belongs to the caller, who frees it with raft_node_free().
 *
 * Threads: Any. Two nodes on one storage are not noticed, and never right.
 */
raft_status raft_node_new(const struct raft_config *config,
                          struct raft_storage *storage,
                          struct raft_node **out,
                          struct raft_error **error);

/**
 * Makes a node for a host with a storage of its own, from `len` bytes of an encoded
 * libraft.RestartState at `state`; none at all stand for a node that has never run and knows no
 * members. Its requests for entries and snapshots appear in its Readys, and the host reports
 * compaction with raft_node_compacted().
 *
 * Errors: those of any call; RAFT_ERR_ARGUMENT (a length above PTRDIFF_MAX), RAFT_ERR_CONFIG (a
 * setting, or several together; the message says which), RAFT_ERR_MALFORMED and
 * RAFT_ERR_IMPOSSIBLE (no libraft.RestartState), RAFT_ERR_RESTART_STATE (it contradicts itself),
 * RAFT_ERR_IO (no seed from the system).
 *
 * Memory: `config` and `state` are borrowed for the call. `out` belongs to the caller, who frees
 * it with raft_node_free().
 *
 * Threads: Any.
 */
raft_status raft_node_restart(const struct raft_config *config,
                              const uint8_t *state,
                              size_t state_len,
                              struct raft_node **out,
                              struct raft_error **error);

/**
 * Frees a node, and with it the Ready that it last gave. What has not been saved is lost, as in a
 * crash. NULL is ignored.
 *
 * Memory: `node` and the last raft_ready and raft_requests of it are gone.
 *
 * Threads: No other thread uses it, or will.
 */
void raft_node_free(struct raft_node *node);

/**
 * The node's id. From any thread, at any time. For NULL, 0.
 *
 * Threads: Any.
 */
uint64_t raft_node_id(const struct raft_node *node);

/**
 * Starts the log of a new group with one applied entry for each first member, as
 * etcd-io/raft's Bootstrap does. Every first member has to be given the same peers. Hosts
 * with a raft_storage will rather use raft_storage_bootstrap().
 *
 * Errors: those of any call on a node; RAFT_ERR_ARGUMENT (a length above PTRDIFF_MAX),
 * RAFT_ERR_MISUSE also if the log is not empty, the term above 1 or there are no peers, RAFT_ERR_CONF_CHANGE (the
 * node was made with members to which these can't be added).
 *
 * Memory: `peers` are borrowed for the call.
 *
 * Threads: One at a time on the node.
 */
raft_status raft_node_bootstrap(struct raft_node *node,
                                const struct raft_peer *peers,
                                size_t peers_len,
                                struct raft_error **error);

/**
 * One unit of logical time has passed. To be called at regular intervals; ticks that were
 * missed are better dropped than made up for.
 *
 * Errors: those of any call on a node.
 *
 * Threads: One at a time on the node.
 */
raft_status raft_node_tick(struct raft_node *node, struct raft_error **error);

/**
 * So many units of logical time have passed at once: the same as raft_node_tick() called so
 * often, for a host that had no need to touch the node meanwhile. 0 is nothing. Up to
 * raft_node_next_deadline(), all of them together cost what one does. Beyond it, time and memory grow
 * with what the node has to do: a leader makes all the heartbeats that it has missed. So a host that
 * was stopped for long passes the lower one of what it has missed and the deadline.
 *
 * Errors: those of any call on a node.
 *
 * Threads: One at a time on the node.
 */
raft_status raft_node_tick_many(struct raft_node *node,
                                uint32_t ticks,
                                struct raft_error **error);

/**
 * How many ticks it takes until one of them can do more than move the node's clocks, at least
 * 1; RAFT_NO_DEADLINE if time alone does nothing. It holds until the next other call that
 * changes the node. So a host with many groups at rest, once it has done what raft_node_ready()
 * asked for, may leave this one alone for so long, or until a message, a proposal or anything
 * else comes for it, and then first make up for the ticks with raft_node_tick_many().
 *
 * Errors: those of any call on a node.
 *
 * Memory: `out` is the caller's own, and written on success only.
 *
 * Threads: One at a time on the node.
 */
raft_status raft_node_next_deadline(const struct raft_node *node,
                                    uint64_t *out,
                                    struct raft_error **error);

/**
 * One unit of logical time has passed for a group that is known to be at rest: the election
 * clock moves and nothing is sent.
 *
 * Errors: those of any call on a node.
 *
 * Threads: One at a time on the node.
 */
raft_status raft_node_tick_quiesced(struct raft_node *node, struct raft_error **error);

/**
 * Campaigns at once, without waiting for the election timeout.
 *
 * Errors: those of any call on a node.
 *
 * Threads: One at a time on the node.
 */
raft_status raft_node_campaign(struct raft_node *node, struct raft_error **error);

/**
 * Proposes `len` bytes at `data`, which are copied, as one entry. That it was taken does not
 * mean that it will be committed: it is when it comes back in `committed_entries`. NULL is an
 * entry without data, which is encoded in fewer bytes than one with empty data.
 *
 * Errors: those of any call on a node; RAFT_ERR_ARGUMENT (a length above PTRDIFF_MAX),
 * RAFT_ERR_DROPPED (raft_error_drop_reason() says why; it may be proposed again).
 *
 * Memory: `data` is borrowed for the call.
 *
 * Threads: One at a time on the node.
 */
raft_status raft_node_propose(struct raft_node *node,
                              const uint8_t *data,
                              size_t len,
                              struct raft_error **error);

/**
 * Proposes `list_len` payloads, which are copied, as one entry each, in this order: all of
 * them or none. No payloads at all are RAFT_OK and do nothing.
 *
 * Errors: those of any call on a node; RAFT_ERR_ARGUMENT (a length above PTRDIFF_MAX),
 * RAFT_ERR_DROPPED (raft_error_drop_reason() says why; none was taken).
 *
 * Memory: `list` is borrowed for the call.
 *
 * Threads: One at a time on the node.
 */
raft_status raft_node_propose_many(struct raft_node *node,
                                   const struct raft_bytes *list,
                                   size_t list_len,
                                   struct raft_error **error);

/**
 * Proposes to add, remove or update one member, as an entry of type RAFT_ENTRY_CONF_CHANGE.
 * `type` is one of the RAFT_CONF_CHANGE_ numbers; `context` is for the host's own use and
 * comes back with the entry. When the entry comes to be applied, the host calls
 * raft_node_apply_conf_change(). A leader that cannot take the change (another one is in
 * flight) turns it into an empty entry.
 *
 * Errors: those of any call on a node; RAFT_ERR_ARGUMENT (a length above PTRDIFF_MAX, an unknown
 * type of step), RAFT_ERR_DROPPED (raft_error_drop_reason() says why).
 *
 * Memory: `context` is borrowed for the call.
 *
 * Threads: One at a time on the node.
 */
raft_status raft_node_propose_conf_change(struct raft_node *node,
                                          raft_conf_change_type change_type,
                                          uint64_t node_id,
                                          const uint8_t *context,
                                          size_t context_len,
                                          struct raft_error **error);

/**
 * Proposes a configuration change in its encoded form: raftpb.ConfChange for
 * RAFT_ENTRY_CONF_CHANGE, raftpb.ConfChangeV2 for RAFT_ENTRY_CONF_CHANGE_V2, which
 * raft_conf_change_encode() makes.
 *
 * Errors: those of any call on a node; RAFT_ERR_ARGUMENT (a length above PTRDIFF_MAX, another type
 * of entry), RAFT_ERR_MALFORMED, RAFT_ERR_DROPPED (raft_error_drop_reason() says why).
 *
 * Memory: `data` is borrowed for the call.
 *
 * Threads: One at a time on the node.
 */
raft_status raft_node_propose_conf_change_encoded(struct raft_node *node,
                                                  raft_entry_type entry_type,
                                                  const uint8_t *data,
                                                  size_t len,
                                                  struct raft_error **error);

/**
 * Applies a committed configuration change: `entry_type` and `data` are those of the entry.
 * To be called for each entry of type RAFT_ENTRY_CONF_CHANGE or RAFT_ENTRY_CONF_CHANGE_V2,
 * when its turn to be applied comes; for a change that the host refuses,
 * raft_node_reject_conf_change() instead.
 *
 * A new member that has to be brought up by a snapshot takes none that does not name it: a
 * host that compacts its log makes a snapshot after each change that adds a member.
 *
 * A change that was handed out before a snapshot took the log's place is part of that snapshot: it
 * alters nothing then, and the snapshot's configuration is what `out` gets.
 *
 * Errors: those of any call on a node; RAFT_ERR_ARGUMENT (a length above PTRDIFF_MAX, another type
 * of entry), RAFT_ERR_MALFORMED, RAFT_ERR_CONF_CHANGE (it does not fit; the members are as before,
 * and the change counts as refused).
 *
 * Memory: `data` is borrowed for the call. `out` may be NULL; otherwise what is stored there
 * belongs to the caller, who frees it with raft_conf_state_free().
 *
 * Threads: One at a time on the node.
 */
raft_status raft_node_apply_conf_change(struct raft_node *node,
                                        raft_entry_type entry_type,
                                        const uint8_t *data,
                                        size_t len,
                                        struct raft_conf_state **out,
                                        struct raft_error **error);

/**
 * Tells the node that a committed configuration change was not applied, since the host
 * refuses it (every member must do so alike). The members stay as they are, and the next
 * change may be proposed.
 *
 * Errors: those of any call on a node; RAFT_ERR_CONF_CHANGE (what follows by itself
 * does not fit the configuration).
 *
 * Threads: One at a time on the node.
 */
raft_status raft_node_reject_conf_change(struct raft_node *node, struct raft_error **error);

/**
 * The configuration as of the last applied change.
 *
 * Errors: those of any call on a node.
 *
 * Memory: `out` belongs to the caller, who frees it with raft_conf_state_free().
 *
 * Threads: One at a time on the node.
 */
raft_status raft_node_conf_state(const struct raft_node *node,
                                 struct raft_conf_state **out,
                                 struct raft_error **error);

/**
 * Hands over a message from a peer: `len` bytes of raftpb.Message at `data`, which are
 * copied.
 *
 * Errors: those of any call on a node; RAFT_ERR_ARGUMENT (a length above PTRDIFF_MAX),
 * RAFT_ERR_MALFORMED (no raftpb.Message), RAFT_ERR_IMPOSSIBLE (no correct peer sends it),
 * RAFT_ERR_LOCAL_MESSAGE (a kind that never travels), RAFT_ERR_UNKNOWN_PEER (a response of no
 * member; harmless); RAFT_ERR_DROPPED and RAFT_ERR_READ_DROPPED (a peer passed on what this node
 * can't take either; it hears nothing of that). All of these but RAFT_ERR_POISONED are for a log
 * or a counter: go on.
 *
 * Memory: `data` is borrowed for the call.
 *
 * Threads: One at a time on the node.
 */
raft_status raft_node_step(struct raft_node *node,
                           const uint8_t *data,
                           size_t len,
                           struct raft_error **error);

/**
 * Hands over a message as a raft_ready has it, or as raft_message_decode() gives it: its `encoded`, or, if that is
 * empty, what its numbers and its `entries` say. Then its type is RAFT_MSG_APP, RAFT_MSG_APP_RESP (one
 * that accepts), RAFT_MSG_HEARTBEAT or RAFT_MSG_HEARTBEAT_RESP, and numbers that these don't have are passed
 * over; of an entry, its `encoded` counts likewise, and an empty payload is none. It comes to the same as to
 * encode the message and call raft_node_step().
 *
 * Errors: those of any call on a node; RAFT_ERR_NULL and RAFT_ERR_ARGUMENT also for a list or bytes in
 * `message` (NULL with a length, a length above PTRDIFF_MAX), RAFT_ERR_ARGUMENT for another type without
 * bytes; RAFT_ERR_MALFORMED, RAFT_ERR_IMPOSSIBLE, RAFT_ERR_LOCAL_MESSAGE, RAFT_ERR_UNKNOWN_PEER,
 * RAFT_ERR_DROPPED and RAFT_ERR_READ_DROPPED as for raft_node_step().
 *
 * Memory: `message` and all that it points to are borrowed for the call.
 *
 * Threads: One at a time on the node.
 */
raft_status raft_node_step_message(struct raft_node *node,
                                   const struct raft_message *message,
                                   struct raft_error **error);

/**
 * Hands over several messages, each one preceded by its length as a protobuf varint. All are
 * decoded first: if one can't be, none is handed over. A message that the node then refuses
 * does not keep the others from it; the first refusal is what is returned, after all have had
 * their turn.
 *
 * Errors: those of any call on a node; RAFT_ERR_ARGUMENT (a length above PTRDIFF_MAX);
 * RAFT_ERR_MALFORMED, RAFT_ERR_LOCAL_MESSAGE and RAFT_ERR_IMPOSSIBLE for what can't be decoded,
 * and then nothing has changed; otherwise those of raft_node_step(): RAFT_ERR_IMPOSSIBLE,
 * RAFT_ERR_UNKNOWN_PEER, RAFT_ERR_DROPPED, RAFT_ERR_READ_DROPPED, with which the other messages
 * have been taken.
 *
 * Memory: `data` is borrowed for the call.
 *
 * Threads: One at a time on the node.
 */
raft_status raft_node_step_many(struct raft_node *node,
                                const uint8_t *data,
                                size_t len,
                                struct raft_error **error);

/**
 * Asks for a linearizable read. `context`, which is copied, is the host's name for it; it
 * must never be used again on any node, not even for another try. The answer is a read state
 * with this context in a later Ready, or never comes, if messages get lost or the leader
 * changes: then ask again under a new name.
 *
 * Errors: those of any call on a node; RAFT_ERR_ARGUMENT (a length above PTRDIFF_MAX),
 * RAFT_ERR_READ_DROPPED (raft_error_drop_reason() says why; ask again under another name).
 *
 * Memory: `context` is borrowed for the call.
 *
 * Threads: One at a time on the node.
 */
raft_status raft_node_read_index(struct raft_node *node,
                                 const uint8_t *context,
                                 size_t context_len,
                                 struct raft_error **error);

/**
 * Whether raft_node_ready() would give something to do.
 *
 * Errors: those of any call on a node.
 *
 * Memory: `out` is the caller's own, and written on success only.
 *
 * Threads: One at a time on the node.
 */
raft_status raft_node_has_ready(const struct raft_node *node, bool *out, struct raft_error **error);

/**
 * What there is to do, as a sum of RAFT_PENDING_ numbers, for a host that would otherwise call
 * raft_node_has_ready(), and then raft_node_take_requests() before each raft_node_ready().
 *
 * Errors: those of any call on a node.
 *
 * Memory: `out` is the caller's own, and written on success only.
 *
 * Threads: One at a time on the node.
 */
raft_status raft_node_pending(const struct raft_node *node,
                              uint64_t *out,
                              struct raft_error **error);

/**
 * Takes the next batch of work. See raft_ready for what to do with it, and for how long it
 * is valid. A node on a storage first reads there what it needs, in this call.
 *
 * Errors: those of any call on a node; RAFT_ERR_MISUSE also if the last Ready has not been
 * advanced. Of a node on a storage, besides: RAFT_ERR_CORRUPT, RAFT_ERR_IO, RAFT_ERR_POISONED (the
 * storage can't be read), RAFT_ERR_COMPACTED, RAFT_ERR_UNAVAILABLE, RAFT_ERR_WRONG_ANSWER (it does
 * not hold what this node has to apply, or holds something else). What was not read is asked for
 * again, so that the call may be repeated; the last Ready stays valid.
 *
 * Memory: `out` is borrowed from the node: it is valid until the next successful raft_node_ready(),
 * raft_node_next_ready() or raft_node_peek_ready() on it, or raft_node_free().
 *
 * Threads: One at a time on the node.
 */
raft_status raft_node_ready(struct raft_node *node,
                            const struct raft_ready **out,
                            struct raft_error **error);

/**
 * One call for a turn of the host's loop, in place of raft_node_advance(), raft_node_has_ready() and
 * raft_node_ready(): the work of the last Ready is done, if there was one, and the next is taken, if there is one.
 * So it is called when the host has done all that raft_ready asks for, and not before; until `out` is NULL,
 * which says that there is nothing to do. (With asynchronous storage writes the call says nothing of the last
 * Ready, which is never advanced.) It goes together with the other calls: after raft_node_advance(), there is
 * nothing left to advance; and of what raft_node_peek_ready() has shown, and raft_node_accept_ready() has not
 * taken, nothing is done. Requests are in the Ready, as ever; who takes them beforehand calls raft_node_advance(),
 * raft_node_take_requests() and raft_node_ready() instead. And while raft_node_ready() refuses to take one Ready
 * more before the last is advanced, this call takes the host's word that it is done: a callback that may lead back
 * into the loop of the same node has to be kept from that.
 *
 * Errors: those of any call on a node. Of a node on a storage, besides: RAFT_ERR_CORRUPT, RAFT_ERR_IO,
 * RAFT_ERR_POISONED (the storage can't be read), RAFT_ERR_COMPACTED, RAFT_ERR_UNAVAILABLE,
 * RAFT_ERR_WRONG_ANSWER (it does not hold what this node has to apply, or holds something else). What was not
 * read is asked for again, so that the call may be repeated; the last Ready is done, and stays valid. After
 * RAFT_ERR_MISUSE (another thread is at the node) and RAFT_ERR_NULL, nothing has happened, and it is not done.
 *
 * Memory: `out` is NULL, or borrowed from the node: it is valid until the next successful
 * raft_node_next_ready(), raft_node_ready() or raft_node_peek_ready() on it, or raft_node_free().
 *
 * Threads: One at a time on the node.
 */
raft_status raft_node_next_ready(struct raft_node *node,
                                 const struct raft_ready **out,
                                 struct raft_error **error);

/**
 * Shows what raft_node_ready() would give, and takes nothing: none of it is to be done before
 * raft_node_accept_ready(). For a host that offers its work to somebody who may not come for
 * it at once, and looks again if anything else happens first. What it gives is valid as long
 * as what raft_node_ready() gives, and takes the place of the last Ready.
 *
 * Errors: those of any call on a node; RAFT_ERR_MISUSE also if the last Ready has not been
 * advanced. Of a node on a storage, besides: RAFT_ERR_CORRUPT, RAFT_ERR_IO, RAFT_ERR_POISONED (the
 * storage can't be read), RAFT_ERR_COMPACTED, RAFT_ERR_UNAVAILABLE, RAFT_ERR_WRONG_ANSWER (it does
 * not hold what this node has to apply, or holds something else). What was not read is asked for
 * again, so that the call may be repeated; the last Ready stays valid.
 *
 * Memory: `out` is borrowed from the node: it is valid until the next successful raft_node_ready(),
 * raft_node_next_ready() or raft_node_peek_ready() on it, or raft_node_free().
 *
 * Threads: One at a time on the node.
 */
raft_status raft_node_peek_ready(struct raft_node *node,
                                 const struct raft_ready **out,
                                 struct raft_error **error);

/**
 * Takes the Ready that raft_node_peek_ready() has shown, which stays valid.
 *
 * Errors: those of any call on a node; RAFT_ERR_MISUSE also if raft_node_peek_ready() has not been
 * called, or the node has been used since: look again.
 *
 * Threads: One at a time on the node.
 */
raft_status raft_node_accept_ready(struct raft_node *node, struct raft_error **error);

/**
 * Whether there is surely nothing to do when the host has called raft_node_advance() for the last Ready, if it
 * makes no other call that changes the node before that. A host to which calls are dear asks right after it has
 * taken a Ready, and need not call raft_node_has_ready() then; most Readys are such, but for those in which a leader
 * has entries to store. true means besides that there is nothing to do now, and with asynchronous storage writes,
 * where nothing is advanced, no more than that. false promises nothing, and is what a node that has stopped says.
 *
 * Errors: those of any call on a node.
 *
 * Memory: `out` is the caller's own, and written on success only.
 *
 * Threads: One at a time on the node.
 */
raft_status raft_node_rests_once_advanced(const struct raft_node *node,
                                          bool *out,
                                          struct raft_error **error);

/**
 * The last Ready's work is done: persisted, sent and applied. To be called once after each
 * raft_node_ready(), or in its place raft_node_next_ready(), which takes the next one as well; except with
 * asynchronous storage writes.
 *
 * Errors: those of any call on a node; RAFT_ERR_MISUSE also if there is no Ready to advance from.
 *
 * Threads: One at a time on the node.
 */
raft_status raft_node_advance(struct raft_node *node,
                              struct raft_error **error);

/**
 * Asks the leader for a snapshot in place of what this node has applied, although its log is
 * fine: for a host whose state machine is damaged. It comes as raft_ready.snapshot, at this
 * node's last index or later; until then, the node takes no entries. The leader's host is asked
 * with each heartbeat for as long as it has none that is new enough
 * (raft_snapshot_request.min_index); a node on a storage takes it from there.
 *
 * A change of the leader ends the request, and so does a leader that goes on sending entries
 * for the election ticks, as etcd-io/raft's do, since they don't know of it.
 *
 * Errors: those of any call on a node; RAFT_ERR_SNAPSHOT_REQUEST_DROPPED (there is no leader or it
 * is this node, a snapshot is being installed or has been asked for, or no entry of the present
 * term has come yet).
 *
 * Threads: One at a time on the node.
 */
raft_status raft_node_request_snapshot(struct raft_node *node, struct raft_error **error);

/**
 * Sets the priority, see raft_config_set_priority(), from now on.
 *
 * Errors: those of any call on a node.
 *
 * Threads: One at a time on the node.
 */
raft_status raft_node_set_priority(struct raft_node *node,
                                   int64_t priority,
                                   struct raft_error **error);

/**
 * From now on, at most so many appends and payload bytes are in flight to the member `id`, in
 * place of what the configuration says, and also when this node comes to lead later. 0 bytes
 * stand for no limit; 0 messages keep all entries back that need not be sent to find out what
 * the member has. What is on its way already counts: a window that becomes too small for it
 * is full until that has arrived.
 *
 * Errors: those of any call on a node; RAFT_ERR_MISUSE also for the member 0.
 *
 * Threads: One at a time on the node.
 */
raft_status raft_node_set_inflight_limits(struct raft_node *node,
                                          uint64_t id,
                                          uint32_t max_messages,
                                          uint64_t max_bytes,
                                          struct raft_error **error);

/**
 * Sets the limit of raft_config_set_max_apply_unpersisted_entries(), from now on. It matters
 * with asynchronous storage writes, and while this node leads.
 *
 * Entries that are handed out so are committed, and safe with others, but a crash may leave
 * this node's state machine ahead of its log. A state machine that is durable on its own has to
 * know up to where it has applied. After such a crash, the host starts the node with the log's
 * last index as what is applied, and passes over the entries that come back to be applied and
 * that the state machine has already; more than the log's last index is an error.
 * Configuration changes never run ahead, so that none is among them. Nor may the log be
 * compacted beyond what is persisted.
 *
 * Errors: those of any call on a node.
 *
 * Threads: One at a time on the node.
 */
raft_status raft_node_set_max_apply_unpersisted_entries(struct raft_node *node,
                                                        uint64_t entries,
                                                        struct raft_error **error);

/**
 * With group commit, this node commits as a leader only what members of two commit groups
 * have, besides a majority: raft_node_assign_commit_groups() says who belongs where. While it
 * knows of only one group or none, and of a voter that has none, only what all voters have;
 * with all of them in one group, a majority is enough. In a joint configuration, each half has
 * to have it so. Off at first; kept in memory only.
 *
 * Errors: those of any call on a node.
 *
 * Threads: One at a time on the node.
 */
raft_status raft_node_enable_group_commit(struct raft_node *node,
                                          bool on,
                                          struct raft_error **error);

/**
 * Puts members into commit groups; others stay where they are. It outlasts changes of this
 * node's role and of the members, but not a restart. Any node may come to lead, so that all
 * should be told.
 *
 * Errors: those of any call on a node; RAFT_ERR_ARGUMENT (a length above PTRDIFF_MAX),
 * RAFT_ERR_MISUSE also for a member or a group 0.
 *
 * Memory: `groups` are borrowed for the call.
 *
 * Threads: One at a time on the node.
 */
raft_status raft_node_assign_commit_groups(struct raft_node *node,
                                           const struct raft_commit_group *groups,
                                           size_t groups_len,
                                           struct raft_error **error);

/**
 * Takes all members out of their commit groups.
 *
 * Errors: those of any call on a node.
 *
 * Threads: One at a time on the node.
 */
raft_status raft_node_clear_commit_groups(struct raft_node *node, struct raft_error **error);

/**
 * Whether everything that is committed has reached two commit groups: one of the
 * RAFT_GROUP_COMMIT_ numbers.
 *
 * Errors: those of any call on a node.
 *
 * Memory: `out` is the caller's own, and written on success only.
 *
 * Threads: One at a time on the node.
 */
raft_status raft_node_group_commit_state(const struct raft_node *node,
                                         raft_group_commit_state *out,
                                         struct raft_error **error);

/**
 * A message to this peer could not be delivered.
 *
 * Errors: those of any call on a node.
 *
 * Threads: One at a time on the node.
 */
raft_status raft_node_report_unreachable(struct raft_node *node,
                                         uint64_t id,
                                         struct raft_error **error);

/**
 * What became of a RAFT_MSG_SNAP to this peer: RAFT_SNAPSHOT_FINISH or
 * RAFT_SNAPSHOT_FAILURE. Unless a failure is reported, the leader waits for the peer's
 * acknowledgement before it sends anything else.
 *
 * Errors: those of any call on a node; RAFT_ERR_ARGUMENT (no RAFT_SNAPSHOT_ number).
 *
 * Threads: One at a time on the node.
 */
raft_status raft_node_report_snapshot(struct raft_node *node,
                                      uint64_t id,
                                      raft_snapshot_status status,
                                      struct raft_error **error);

/**
 * Asks the leader to hand its leadership to this member. On a follower, passes the wish on.
 *
 * Errors: those of any call on a node.
 *
 * Threads: One at a time on the node.
 */
raft_status raft_node_transfer_leader(struct raft_node *node,
                                      uint64_t transferee,
                                      struct raft_error **error);

/**
 * A follower forgets its leader, so that it may vote for another at once.
 *
 * Errors: those of any call on a node.
 *
 * Threads: One at a time on the node.
 */
raft_status raft_node_forget_leader(struct raft_node *node, struct raft_error **error);

/**
 * Takes out the requests for entries and snapshots that no Ready has shown yet, for a host that
 * answers them at once: what it provides before it takes the Ready is in that Ready already. Each
 * of them must be answered like one in a Ready, and an answer may lead to more. Without requests,
 * its lists are empty; as they always are for a node that reads from its own storage.
 *
 * Errors: those of any call on a node.
 *
 * Memory: `out` is borrowed from the node: it is valid until the next raft_node_take_requests() on
 * it, or raft_node_free().
 *
 * Threads: One at a time on the node.
 */
raft_status raft_node_take_requests(struct raft_node *node,
                                    const struct raft_requests **out,
                                    struct raft_error **error);

/**
 * Answers a raft_read_request with entries from its low index on, each one as raftpb.Entry.
 * They are copied. Late, stale and wrong answers are harmless.
 *
 * Errors: those of any call on a node; RAFT_ERR_ARGUMENT (a length above PTRDIFF_MAX),
 * RAFT_ERR_MALFORMED, RAFT_ERR_IMPOSSIBLE (no raftpb.Entry that a log can hold),
 * RAFT_ERR_WRONG_ANSWER (not the entries asked for; the core asks again).
 *
 * Memory: `entries` are borrowed for the call.
 *
 * Threads: One at a time on the node.
 */
raft_status raft_node_provide_entries(struct raft_node *node,
                                      uint64_t request_id,
                                      const struct raft_bytes *entries,
                                      size_t entries_len,
                                      struct raft_error **error);

/**
 * Answers a raft_read_request: there are no entries, because of RAFT_READ_COMPACTED or
 * RAFT_READ_UNAVAILABLE.
 *
 * Errors: those of any call on a node; RAFT_ERR_ARGUMENT (no RAFT_READ_ number). An id that nobody
 * waits for, or no longer, is none.
 *
 * Threads: One at a time on the node.
 */
raft_status raft_node_read_failed(struct raft_node *node,
                                  uint64_t request_id,
                                  raft_read_failure failure,
                                  struct raft_error **error);

/**
 * Answers a raft_snapshot_request: `len` bytes of raftpb.Snapshot at `data`, which are
 * copied.
 *
 * Errors: those of any call on a node; RAFT_ERR_ARGUMENT (a length above PTRDIFF_MAX),
 * RAFT_ERR_MALFORMED, RAFT_ERR_IMPOSSIBLE (no raftpb.Snapshot that a log can begin with),
 * RAFT_ERR_WRONG_ANSWER (it can't be sent: too old, or without members; the core asks again).
 *
 * Memory: `data` is borrowed for the call.
 *
 * Threads: One at a time on the node.
 */
raft_status raft_node_provide_snapshot(struct raft_node *node,
                                       uint64_t request_id,
                                       const uint8_t *data,
                                       size_t len,
                                       struct raft_error **error);

/**
 * Answers a raft_snapshot_request: there is no snapshot at the moment. The core asks again
 * when it still needs one.
 *
 * Errors: those of any call on a node. An id that nobody waits for, or no longer, is none.
 *
 * Threads: One at a time on the node.
 */
raft_status raft_node_snapshot_failed(struct raft_node *node,
                                      uint64_t request_id,
                                      struct raft_error **error);

/**
 * Tells the node that the stored log begins at `first_index` now. A node on a raft_storage
 * finds that out by itself.
 *
 * Errors: those of any call on a node; RAFT_ERR_MISUSE also if entries that are not applied, or
 * not persisted, would be gone.
 *
 * Threads: One at a time on the node.
 */
raft_status raft_node_compacted(struct raft_node *node,
                                uint64_t first_index,
                                struct raft_error **error);

/**
 * Fixes the randomized election timeout, in ticks, until the node's next change of role or
 * term draws a new one. For tests that need to know which node campaigns first.
 *
 * Errors: those of any call on a node; RAFT_ERR_MISUSE also for 0 ticks.
 *
 * Threads: One at a time on the node.
 */
raft_status raft_node_set_randomized_election_timeout(struct raft_node *node,
                                                      uint32_t ticks,
                                                      struct raft_error **error);

/**
 * Fills in what the node says about itself. The caller sets out->size first.
 *
 * Errors: those of any call on a node; RAFT_ERR_ARGUMENT (the size is none that the struct has
 * had).
 *
 * Memory: `out` is the caller's own, and written on success only.
 *
 * Threads: One at a time on the node.
 */
raft_status raft_node_get_status(const struct raft_node *node,
                                 struct raft_node_status *out,
                                 struct raft_error **error);

/**
 * What the leader knows of each member, itself included, by ascending id: as many as there
 * are go to `len`, and the first `capacity` of them at most to `out`, which may be NULL if
 * that is 0. On a node that does not lead there are none.
 *
 * Errors: those of any call on a node; RAFT_ERR_ARGUMENT (the capacity is beyond PTRDIFF_MAX
 * bytes).
 *
 * Memory: `out` and `len` are the caller's own, and written on success only.
 *
 * Threads: One at a time on the node.
 */
raft_status raft_node_progress(const struct raft_node *node,
                               struct raft_progress *out,
                               size_t capacity,
                               size_t *len,
                               struct raft_error **error);

/**
 * Fills in the node's counters. The caller sets out->size first.
 *
 * Errors: those of any call on a node; RAFT_ERR_ARGUMENT (the size is none that the struct has
 * had).
 *
 * Memory: `out` is the caller's own, and written on success only.
 *
 * Threads: One at a time on the node.
 */
raft_status raft_node_metrics(const struct raft_node *node,
                              struct raft_metrics *out,
                              struct raft_error **error);

/**
 * All that the node says about itself, on a leader with the progress of each member, as an encoded
 * libraft.Status.
 *
 * Errors: those of any call on a node.
 *
 * Memory: `out` belongs to the caller, who frees it with raft_buffer_free().
 *
 * Threads: One at a time on the node.
 */
raft_status raft_node_status_encoded(const struct raft_node *node,
                                     struct raft_buffer **out,
                                     struct raft_error **error);

/**
 * Lets time pass for many nodes, and tells which of them have something to do: for each of
 * the `nodes_len` nodes in turn, what raft_node_tick_many() and raft_node_has_ready() do.
 * With 0 ticks, it only asks.
 *
 * The places in `nodes` of those that have a Ready go to `ready`, in ascending order, and how
 * many they are to `ready_len`. A node that another thread is using (RAFT_ERR_MISUSE) or that
 * has stopped for good (RAFT_ERR_POISONED, RAFT_ERR_PANIC) is passed over, and nothing has
 * changed for it, except that a defect has stopped it; it goes to `failed`, in ascending order
 * as well, and all others have had their ticks. So the call is RAFT_OK as soon as the
 * arguments are right. Ticks that a busy node has missed can be made up for later, and
 * raft_node_tick_many() on one that has stopped says why in words.
 *
 * `ready` and `failed` have room for `nodes_len` items each, of which only those that are told of
 * are written; no two of the arrays overlap. For 0 nodes, all three may be NULL. A node that is in
 * the array twice gets the ticks twice, and may be told of twice.
 *
 * Errors: those of any call; RAFT_ERR_NULL also for one of the nodes or an array,
 * RAFT_ERR_ARGUMENT (more than UINT32_MAX nodes). With any of these, no node has changed. What one
 * node fails with is not returned but in `failed`.
 *
 * Memory: All arrays are the caller's own, and borrowed for the call.
 *
 * Threads: Each node is in use in its own turn only: others may use the others meanwhile, and
 * nobody frees any.
 */
raft_status raft_nodes_tick(struct raft_node *const *nodes,
                            size_t nodes_len,
                            uint32_t ticks,
                            uint32_t *ready,
                            size_t *ready_len,
                            struct raft_node_failure *failed,
                            size_t *failed_len,
                            struct raft_error **error);

/**
 * All that the node says about itself, as a JSON object in UTF-8: the fields of raft_node_status
 * under their own names ("role" is "follower", "candidate", "leader" or "pre_candidate");
 * "conf_state", an object with the lists "voters", "learners", "voters_outgoing" and
 * "learners_next", and "auto_leave"; and "progress", a list with the fields of raft_progress for
 * each member ("state" is "probe", "replicate" or "snapshot"), empty unless the node leads. The
 * names stay the same in later versions; there may be more.
 *
 * Ids, terms and indexes are JSON numbers up to 2^64 - 1. A reader that takes numbers for
 * floating-point ones, as JavaScript does, rounds those above 2^53.
 *
 * Errors: those of any call on a node.
 *
 * Memory: `out` belongs to the caller, who frees it with raft_buffer_free().
 *
 * Threads: One at a time on the node.
 */
raft_status raft_node_status_json(const struct raft_node *node,
                                  struct raft_buffer **out,
                                  struct raft_error **error);

/**
 * The node's counters as a JSON object: the fields of raft_metrics under their own names. The
 * names stay the same in later versions; there may be more. For numbers above 2^53, see
 * raft_node_status_json().
 *
 * Errors: those of any call on a node.
 *
 * Memory: `out` belongs to the caller, who frees it with raft_buffer_free().
 *
 * Threads: One at a time on the node.
 */
raft_status raft_node_metrics_json(const struct raft_node *node,
                                   struct raft_buffer **out,
                                   struct raft_error **error);

/**
 * What one node says about itself, as a text for Prometheus (exposition format 0.0.4, to be
 * served as "text/plain; version=0.0.4; charset=utf-8"): its counters, as libraft_..._total,
 * and what its status says, as gauges. Each sample has the label "node", the node's id, and the
 * given ones; those of members have "peer" as well. The names stay the same in later versions;
 * there may be more.
 *
 * Of several nodes in one process, raft_exposition_new() makes one text.
 *
 * Errors: those of any call on a node; RAFT_ERR_ARGUMENT (a length above PTRDIFF_MAX, a label; the
 * message says which, and what to do).
 *
 * Memory: `labels` are borrowed for the call. `out` belongs to the caller, who frees it with
 * raft_buffer_free().
 *
 * Threads: One at a time on the node.
 */
raft_status raft_node_prometheus(const struct raft_node *node,
                                 const struct raft_label *labels,
                                 size_t labels_len,
                                 struct raft_buffer **out,
                                 struct raft_error **error);

/**
 * An exposition without nodes. For each scrape: make one, add the nodes with
 * raft_exposition_add(), take the text with raft_exposition_text(), and free it with
 * raft_exposition_free().
 *
 * Errors: those of any call.
 *
 * Memory: `out` belongs to the caller, who frees it with raft_exposition_free().
 *
 * Threads: Any.
 */
raft_status raft_exposition_new(struct raft_exposition **out, struct raft_error **error);

/**
 * Adds what a node says about itself at this moment, with these labels besides "node", its id.
 *
 * Two nodes with the same id, of two groups, need labels that tell them apart.
 *
 * Errors: those of any call on a node; RAFT_ERR_ARGUMENT (a length above PTRDIFF_MAX, a label, or
 * the node is there already; the message says what to do).
 *
 * Memory: `labels` are borrowed for the call, and nothing of the node is kept.
 *
 * Threads: Any on the exposition, one at a time on the node.
 */
raft_status raft_exposition_add(struct raft_exposition *exposition,
                                const struct raft_node *node,
                                const struct raft_label *labels,
                                size_t labels_len,
                                struct raft_error **error);

/**
 * The text for Prometheus of all nodes that were added, as raft_node_prometheus() has it for one;
 * empty without nodes.
 *
 * Errors: those of any call.
 *
 * Memory: `out` belongs to the caller, who frees it with raft_buffer_free().
 *
 * Threads: Any.
 */
raft_status raft_exposition_text(const struct raft_exposition *exposition,
                                 struct raft_buffer **out,
                                 struct raft_error **error);

/**
 * Frees an exposition. NULL is ignored.
 *
 * Memory: `exposition` is gone, with all that it points to.
 *
 * Threads: No other thread uses it, or will.
 */
void raft_exposition_free(struct raft_exposition *exposition);

/**
 * How the recording of this node stands, and how many bytes of it wait to be taken. See
 * raft_config_set_record_bytes() for what a recording is.
 *
 * Errors: those of any call on a node.
 *
 * Memory: `out` and `bytes` are the caller's own, and written on success only.
 *
 * Threads: One at a time on the node.
 */
raft_status raft_node_record_state(const struct raft_node *node,
                                   raft_recording_state *out,
                                   uint64_t *bytes,
                                   struct raft_error **error);

/**
 * Takes what was recorded since the last time. What is taken from a node, one after the other, is
 * one recording; up to any of these points it is one as well. The buffer belongs to the caller,
 * who frees it with raft_buffer_free(). It is empty if nothing was recorded.
 *
 * This works on a node that is poisoned too, after RAFT_ERR_PANIC for example: the call that has
 * panicked is then the last one. Call it before the node is freed.
 *
 * Errors: those of any call on a node but RAFT_ERR_POISONED.
 *
 * Memory: `out` belongs to the caller, who frees it with raft_buffer_free().
 *
 * Threads: One at a time on the node.
 */
raft_status raft_node_record_take(struct raft_node *node,
                                  struct raft_buffer **out,
                                  struct raft_error **error);

/**
 * Puts a text of `len` bytes of UTF-8 into the recording, for who reads it: "here the disk was
 * full". If nothing is recorded, nothing happens.
 *
 * Errors: those of any call on a node; RAFT_ERR_ARGUMENT (a length above PTRDIFF_MAX, no UTF-8).
 *
 * Memory: `text` is borrowed for the call.
 *
 * Threads: One at a time on the node.
 */
raft_status raft_node_record_note(struct raft_node *node,
                                  const uint8_t *text,
                                  size_t len,
                                  struct raft_error **error);

/**
 * Ends the recording of this node for good; what was not taken can still be. If nothing is
 * recorded, nothing happens.
 *
 * Errors: those of any call on a node.
 *
 * Threads: One at a time on the node.
 */
raft_status raft_node_record_stop(struct raft_node *node, struct raft_error **error);

/**
 * Makes all calls of a recording of `len` bytes at `data` once more, on a node of its own.
 *
 * `readys` gets, one after the other, what the recorded node's host has seen: each
 * raft_ready as libraft.Ready, encoded (of raft_node_ready() and raft_node_peek_ready()), preceded by its length as a
 * protobuf varint, `max_bytes` in all at most. With a `max_bytes` of 0 none are kept, and the
 * buffer is empty. `out` is filled in; the caller sets out->size first. A replay that does not do
 * the same is no error: out->differs_at tells.
 *
 * A recording may come from anywhere. One that makes its node take more than about a gigabyte,
 * besides a small multiple of the recording's own length, is refused. Time has no such bound: a
 * short recording can ask for much work, so that a service should play those of strangers in a
 * process that it can end.
 *
 * Errors: those of any call; RAFT_ERR_ARGUMENT (a length above PTRDIFF_MAX, out->size, more than
 * `max_bytes` of Readys), RAFT_ERR_RECORDING (it is damaged, cut off, of another version, no
 * recording, or refused; the message says where), RAFT_ERR_PANIC also if a call panics: it did
 * when it was recorded, or this library is another.
 *
 * Memory: `data` is borrowed for the call. `readys` belongs to the caller, who frees it with
 * raft_buffer_free(). `out` is the caller's own struct, and written on success only.
 *
 * Threads: Any.
 */
raft_status raft_replay(const uint8_t *data,
                        size_t len,
                        uint64_t max_bytes,
                        struct raft_buffer **readys,
                        struct raft_replay_report *out,
                        struct raft_error **error);

/**
 * Makes a storage that lives and dies with the process; for tests.
 *
 * Errors: those of any call.
 *
 * Memory: `out` belongs to the caller, who frees it with raft_storage_free().
 *
 * Threads: Any.
 */
raft_status raft_storage_memory_new(struct raft_storage **out, struct raft_error **error);

/**
 * Opens a durable storage: the directory `path`, in the system's own encoding and ended by a
 * zero byte, which is made if it is absent. A record that a crash cut off at the end of the
 * log is removed, which raft_storage_recovery_report() tells; damage anywhere else is
 * RAFT_ERR_CORRUPT.
 *
 * Errors: those of any call; RAFT_ERR_LOCKED (it is open already, here or in another process),
 * RAFT_ERR_CORRUPT (damage other than at the end), RAFT_ERR_ARGUMENT (the path is none for this
 * system), RAFT_ERR_IO (the system's words are in the message).
 *
 * Memory: `path` is borrowed for the call. `out` belongs to the caller, who frees it with
 * raft_storage_free().
 *
 * Threads: Any.
 */
raft_status raft_storage_open(const char *path,
                              struct raft_storage **out,
                              struct raft_error **error);

/**
 * Frees a handle. The storage itself is closed when the last node on it is freed as well;
 * only then can a durable one be opened again. NULL is ignored.
 *
 * Memory: `storage` is gone; nodes on it keep what is behind it.
 *
 * Threads: No other thread uses it, or will.
 */
void raft_storage_free(struct raft_storage *storage);

/**
 * Whether nothing has ever been written to the storage.
 *
 * Errors: those of any call.
 *
 * Memory: `out` is the caller's own, and written on success only.
 *
 * Threads: Any.
 */
raft_status raft_storage_is_fresh(const struct raft_storage *storage,
                                  bool *out,
                                  struct raft_error **error);

/**
 * Writes the first state of a group's first members into a fresh storage: a snapshot of
 * `index` and `term` with these voters and learners and with `data`, the state machine's
 * first state. Every first member has to be given the same. `index` and `term` are both 0, or
 * both at least 1; with 1 and 1 the log begins at index 2, so that a member that joins later,
 * with a fresh storage, can only be brought up by a snapshot, and so learns what is in `data`
 * as well. A member that joins later is not bootstrapped.
 *
 * Errors: those of any call; RAFT_ERR_ARGUMENT (a length above PTRDIFF_MAX, no voters, a member
 * twice or with an id that is none, only one of index and term is 0), RAFT_ERR_MISUSE (the storage
 * is not fresh), RAFT_ERR_CORRUPT, RAFT_ERR_IO (the disk), RAFT_ERR_POISONED (an earlier write
 * failed). After RAFT_ERR_IO nobody knows what of it is on disk: free the storage and open it
 * anew.
 *
 * Memory: `voters`, `learners` and `data` are borrowed for the call.
 *
 * Threads: Any.
 */
raft_status raft_storage_bootstrap(struct raft_storage *storage,
                                   uint64_t index,
                                   uint64_t term,
                                   const uint64_t *voters,
                                   size_t voters_len,
                                   const uint64_t *learners,
                                   size_t learners_len,
                                   const uint8_t *data,
                                   size_t data_len,
                                   struct raft_error **error);

/**
 * Persists the hard state, the entries and the snapshot of a Ready, all or nothing, with one
 * sync if it needs one. When this returns RAFT_OK, the messages may be sent. `ready` is what
 * raft_node_ready() gave, and not a copy of that struct.
 *
 * Errors: those of any call; RAFT_ERR_ARGUMENT (the entries do not fit the log, or `ready` is a
 * copy), RAFT_ERR_SNAPSHOT_OUT_OF_DATE (the stored one is as new), RAFT_ERR_CORRUPT, RAFT_ERR_IO
 * (the disk), RAFT_ERR_POISONED (an earlier write failed). After RAFT_ERR_IO nobody knows what of
 * it is on disk: free the storage and open it anew.
 *
 * Memory: `ready` is borrowed for the call.
 *
 * Threads: Any; but the node that gave `ready` must not be asked for another one meanwhile.
 */
raft_status raft_storage_save(struct raft_storage *storage,
                              const struct raft_ready *ready,
                              struct raft_error **error);

/**
 * The same from pieces, for what does not come from a raft_ready of this process:
 * `hard_state` (NULL if it has not changed), `entries_len` encoded raftpb.Entry, and an
 * encoded raftpb.Snapshot (of length 0 if there is none), which replaces the log before the
 * entries are appended. The entries replace what the log has from the first one's index on.
 *
 * Errors: those of any call; RAFT_ERR_ARGUMENT (a length above PTRDIFF_MAX, the entries do not fit
 * the log, a number of the hard state is beyond all bounds), RAFT_ERR_MALFORMED,
 * RAFT_ERR_IMPOSSIBLE (what is encoded is no entry or snapshot), RAFT_ERR_SNAPSHOT_OUT_OF_DATE
 * (the stored one is as new), RAFT_ERR_CORRUPT, RAFT_ERR_IO (the disk), RAFT_ERR_POISONED (an
 * earlier write failed). After RAFT_ERR_IO nobody knows what of it is on disk: free the storage
 * and open it anew.
 *
 * Memory: `hard_state`, `entries` and `snapshot` are borrowed for the call.
 *
 * Threads: Any.
 */
raft_status raft_storage_append(struct raft_storage *storage,
                                const struct raft_hard_state *hard_state,
                                const struct raft_bytes *entries,
                                size_t entries_len,
                                const uint8_t *snapshot,
                                size_t snapshot_len,
                                bool must_sync,
                                struct raft_error **error);

/**
 * Persists what a message of type RAFT_MSG_STORAGE_APPEND asks for: with asynchronous storage
 * writes, the work of the append worker. Its responses may then be delivered. `data` is the
 * message's encoding.
 *
 * Errors: those of any call; RAFT_ERR_ARGUMENT (a length above PTRDIFF_MAX, another type of
 * message, the entries do not fit the log), RAFT_ERR_MALFORMED, RAFT_ERR_IMPOSSIBLE,
 * RAFT_ERR_LOCAL_MESSAGE (no raftpb.Message, or of a kind that is never sent),
 * RAFT_ERR_SNAPSHOT_OUT_OF_DATE (the stored one is as new), RAFT_ERR_CORRUPT, RAFT_ERR_IO (the disk), RAFT_ERR_POISONED (an earlier write failed). After RAFT_ERR_IO nobody
 * knows what of it is on disk: free the storage and open it anew.
 *
 * Memory: `data` is borrowed for the call.
 *
 * Threads: Any.
 */
raft_status raft_storage_append_message(struct raft_storage *storage,
                                        const uint8_t *data,
                                        size_t len,
                                        struct raft_error **error);

/**
 * Makes earlier writes survive a power cut that did not ask for a sync by themselves, as when
 * only the commit index moved. For an orderly end.
 *
 * Errors: those of any call; RAFT_ERR_IO (the disk), RAFT_ERR_POISONED (an earlier write failed).
 * After RAFT_ERR_IO nobody knows what of it is on disk: free the storage and open it anew.
 *
 * Threads: Any.
 */
raft_status raft_storage_sync(struct raft_storage *storage, struct raft_error **error);

/**
 * The first index of the log; one more than the last one if the log is empty.
 *
 * Errors: those of any call.
 *
 * Memory: `out` is the caller's own, and written on success only.
 *
 * Threads: Any.
 */
raft_status raft_storage_first_index(const struct raft_storage *storage,
                                     uint64_t *out,
                                     struct raft_error **error);

/**
 * The last index of the log; the one that it was compacted to if the log is empty.
 *
 * Errors: those of any call.
 *
 * Memory: `out` is the caller's own, and written on success only.
 *
 * Threads: Any.
 */
raft_status raft_storage_last_index(const struct raft_storage *storage,
                                    uint64_t *out,
                                    struct raft_error **error);

/**
 * The term of the entry `index`, in [first index - 1, last index + 1).
 *
 * Errors: those of any call; RAFT_ERR_COMPACTED (below that), RAFT_ERR_UNAVAILABLE (above).
 *
 * Memory: `out` is the caller's own, and written on success only.
 *
 * Threads: Any.
 */
raft_status raft_storage_term(const struct raft_storage *storage,
                              uint64_t index,
                              uint64_t *out,
                              struct raft_error **error);

/**
 * The last hard state that was written; all zero if none was.
 *
 * Errors: those of any call.
 *
 * Memory: `out` is the caller's own, and written on success only.
 *
 * Threads: Any.
 */
raft_status raft_storage_hard_state(const struct raft_storage *storage,
                                    struct raft_hard_state *out,
                                    struct raft_error **error);

/**
 * The entries [low, high): at least the first one, and then as many as fit into `max_bytes`,
 * counted by their encoding (RAFT_NO_LIMIT for all).
 *
 * Errors: those of any call; RAFT_ERR_COMPACTED (`low` is below the first index),
 * RAFT_ERR_UNAVAILABLE (`high` is above the last one + 1), RAFT_ERR_ARGUMENT (low > high),
 * RAFT_ERR_CORRUPT, RAFT_ERR_IO (the disk), RAFT_ERR_POISONED (an earlier write failed).
 *
 * Memory: `out` belongs to the caller, who frees it with raft_entries_free().
 *
 * Threads: Any.
 */
raft_status raft_storage_entries(const struct raft_storage *storage,
                                 uint64_t low,
                                 uint64_t high,
                                 uint64_t max_bytes,
                                 struct raft_entries **out,
                                 struct raft_error **error);

/**
 * The newest snapshot. Before the first one it has index 0, no data, and the members that the
 * storage was bootstrapped with.
 *
 * Errors: those of any call; RAFT_ERR_CORRUPT, RAFT_ERR_IO (the disk), RAFT_ERR_POISONED (an
 * earlier write failed).
 *
 * Memory: `out` belongs to the caller, who frees it with raft_snapshot_free().
 *
 * Threads: Any.
 */
raft_status raft_storage_snapshot(const struct raft_storage *storage,
                                  struct raft_snapshot **out,
                                  struct raft_error **error);

/**
 * Makes `data`, the state machine's state after the entry `index`, the newest snapshot. The
 * log stays as it is; see raft_storage_compact(). `conf_state` is the encoded
 * raftpb.ConfState as of that entry, such as raft_conf_state.encoded from
 * raft_node_apply_conf_change(); of length 0 it stands for the members in the last snapshot.
 *
 * Errors: those of any call; RAFT_ERR_ARGUMENT (a length above PTRDIFF_MAX, `conf_state` is of
 * length 0 and there are configuration changes since the last snapshot, or no entry has this
 * index), RAFT_ERR_SNAPSHOT_OUT_OF_DATE (there is one that is as new), RAFT_ERR_COMPACTED,
 * RAFT_ERR_UNAVAILABLE (the log does not reach there), RAFT_ERR_MALFORMED (no raftpb.ConfState),
 * RAFT_ERR_CORRUPT, RAFT_ERR_IO (the disk), RAFT_ERR_POISONED (an earlier write failed). After
 * RAFT_ERR_IO nobody knows what of it is on disk: free the storage and open it anew.
 *
 * Memory: `conf_state` and `data` are borrowed for the call.
 *
 * Threads: Any.
 */
raft_status raft_storage_create_snapshot(struct raft_storage *storage,
                                         uint64_t index,
                                         const uint8_t *conf_state,
                                         size_t conf_state_len,
                                         const uint8_t *data,
                                         size_t data_len,
                                         struct raft_error **error);

/**
 * Drops the entries below `first_index`, which becomes the log's first index: at most one
 * more than the index of the newest snapshot (of the memory storage, than the last index).
 * Nodes on this storage hear of it by themselves.
 *
 * Errors: those of any call; RAFT_ERR_COMPACTED (that far and farther already),
 * RAFT_ERR_UNAVAILABLE (the log does not reach there), RAFT_ERR_MISUSE (the newest snapshot does
 * not), RAFT_ERR_CORRUPT, RAFT_ERR_IO (the disk), RAFT_ERR_POISONED (an earlier write failed).
 * After RAFT_ERR_IO nobody knows what of it is on disk: free the storage and open it anew.
 *
 * Threads: Any.
 */
raft_status raft_storage_compact(struct raft_storage *storage,
                                 uint64_t first_index,
                                 struct raft_error **error);

/**
 * All that a node needs to know of its storage when it starts, as an encoded libraft.RestartState.
 *
 * Errors: those of any call.
 *
 * Memory: `out` belongs to the caller, who frees it with raft_buffer_free().
 *
 * Threads: Any.
 */
raft_status raft_storage_restart_state(const struct raft_storage *storage,
                                       struct raft_buffer **out,
                                       struct raft_error **error);

/**
 * Fills in what raft_storage_open() found. The caller sets out->size first. Of a memory
 * storage, all is zero.
 *
 * Errors: those of any call; RAFT_ERR_ARGUMENT (the size is none that the struct has had).
 *
 * Memory: `out` is the caller's own, and written on success only.
 *
 * Threads: Any.
 */
raft_status raft_storage_recovery_report(const struct raft_storage *storage,
                                         struct raft_recovery_report *out,
                                         struct raft_error **error);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* LIBRAFT_H */
