// What has happened in a node, what will not, and how often: typed events, reports of drops,
// counters. A Ready is compared and copied by programs of go.etcd.io/raft, so that it has none of
// this: the node is asked after it has been taken.

package raft

import "unsafe"

// #include "libraft.h"
import "C"

// EventType says what has happened.
type EventType int32

// The types of events. What the fields of an Event mean for each, is said where libraft.h has them.
const (
	EventRoleChanged       EventType = C.RAFT_EVENT_ROLE_CHANGED
	EventLeaderChanged     EventType = C.RAFT_EVENT_LEADER_CHANGED
	EventCampaignStarted   EventType = C.RAFT_EVENT_CAMPAIGN_STARTED
	EventCampaignRefused   EventType = C.RAFT_EVENT_CAMPAIGN_REFUSED
	EventElectionWon       EventType = C.RAFT_EVENT_ELECTION_WON
	EventElectionLost      EventType = C.RAFT_EVENT_ELECTION_LOST
	EventSteppedDown       EventType = C.RAFT_EVENT_STEPPED_DOWN
	EventFlowChanged       EventType = C.RAFT_EVENT_FLOW_CHANGED
	EventTransferStarted   EventType = C.RAFT_EVENT_TRANSFER_STARTED
	EventTransferEnded     EventType = C.RAFT_EVENT_TRANSFER_ENDED
	EventDropped           EventType = C.RAFT_EVENT_DROPPED
	EventMessageRefused    EventType = C.RAFT_EVENT_MESSAGE_REFUSED
	EventSnapshotInstalled EventType = C.RAFT_EVENT_SNAPSHOT_INSTALLED
	EventSnapshotIgnored   EventType = C.RAFT_EVENT_SNAPSHOT_IGNORED
	EventRemoved           EventType = C.RAFT_EVENT_REMOVED
)

// String is the name of the type in libraft.h.
func (t EventType) String() string { return C.GoString(C.raft_event_name(C.raft_event_type(t))) }

// Event is something that a host may want to know and need not act on.
type Event struct {
	// Type says what has happened, and so which of the others mean something.
	Type EventType
	// Reason says why, and Kind what it is about; see ReasonName and KindName.
	Reason, Kind int32
	// Node is another node.
	Node uint64
	// Term and Index are where it has happened.
	Term, Index uint64
	// From and To are what was before and what is now, or how many are in favour and against.
	From, To uint64
}

// ReasonName is the name of the reason in libraft.h, such as RAFT_LOSS_OUTVOTED; empty if there is
// none.
func (e Event) ReasonName() string {
	return C.GoString(C.raft_event_reason_name(C.raft_event_type(e.Type), C.int32_t(e.Reason)))
}

// KindName is the name of the kind in libraft.h, such as RAFT_CAMPAIGN_ELECTION; empty if there is
// none.
func (e Event) KindName() string {
	return C.GoString(C.raft_event_kind_name(C.raft_event_type(e.Type), C.int32_t(e.Kind)))
}

// DropKind says what was dropped.
type DropKind int32

// What can be dropped.
const (
	DroppedProposal   DropKind = C.RAFT_DROPPED_PROPOSAL
	DroppedConfChange DropKind = C.RAFT_DROPPED_CONF_CHANGE
	DroppedRead       DropKind = C.RAFT_DROPPED_READ
)

// Dropped is something that the host was told was taken, and that will not happen.
type Dropped struct {
	// Kind says what was dropped.
	Kind DropKind
	// Reason says why.
	Reason DropReason
	// Index belongs to RAFT_DROP_CONF_CHANGE_PENDING: the other change is there or below.
	Index uint64
	// Data is the command, the encoded configuration change, or the read's context.
	Data []byte
}

// ReasonName is the name of the reason in libraft.h, such as RAFT_DROP_NOT_JOINT.
func (d Dropped) ReasonName() string {
	return C.GoString(C.raft_drop_reason_name(C.raft_drop_reason(d.Reason)))
}

// Events are what had happened when the last Ready was taken, since the one before it. They make no
// Ready by themselves: they come along with the next one. Those of a [Node] are in
// [Observer.Reports].
func (rn *RawNode) Events() []Event { return rn.events }

// Dropped are the reports that came with the last Ready, owed to this node's host: its configuration
// changes that the leader refused, its reads that a leader left unanswered, and with
// Config.PeerReports what other nodes have dropped. What may still happen is never among them. Those
// of a [Node] are in [Observer.Reports].
func (rn *RawNode) Dropped() []Dropped { return rn.dropped }

func decodeEvent(encoded *C.raft_event) Event {
	return Event{
		Type:   EventType(encoded._type),
		Reason: int32(encoded.reason),
		Kind:   int32(encoded.kind),
		Node:   uint64(encoded.node),
		Term:   uint64(encoded.term),
		Index:  uint64(encoded.index),
		From:   uint64(encoded.from),
		To:     uint64(encoded.to),
	}
}

// eventsOf copies what the library lends.
func eventsOf(ready *C.raft_ready) []Event {
	if ready.events_len == 0 {
		return nil
	}
	lent := unsafe.Slice(ready.events, int(ready.events_len))
	events := make([]Event, len(lent))
	for i := range lent {
		events[i] = decodeEvent(&lent[i])
	}
	return events
}

func droppedOf(ready *C.raft_ready) []Dropped {
	if ready.dropped_len == 0 {
		return nil
	}
	lent := unsafe.Slice(ready.dropped, int(ready.dropped_len))
	dropped := make([]Dropped, len(lent))
	for i := range lent {
		dropped[i] = Dropped{
			Kind:   DropKind(lent[i].kind),
			Reason: DropReason(lent[i].reason),
			Index:  uint64(lent[i].index),
			Data:   copyBytes(lent[i].data),
		}
	}
	return dropped
}

// Metrics are counters of a node since it was made. They never decrease. As JSON, they have the names that
// they have in the other languages of this library.
type Metrics struct {
	// Ticks: ticks, quiesced ones included.
	Ticks uint64 `json:"ticks"`
	// MessagesReceived: messages taken from peers, and from storage workers.
	MessagesReceived uint64 `json:"messages_received"`
	// MessagesRefused: messages refused: malformed, impossible, of an unknown peer.
	MessagesRefused uint64 `json:"messages_refused"`
	// MessagesSent: messages to peers; not those to the node itself or to storage workers.
	MessagesSent uint64 `json:"messages_sent"`
	// CampaignsRefused: campaigns that were due and not allowed.
	CampaignsRefused uint64 `json:"campaigns_refused"`
	// PreElectionsStarted: pre-elections started.
	PreElectionsStarted uint64 `json:"pre_elections_started"`
	// ElectionsStarted: elections started, transfers excepted.
	ElectionsStarted uint64 `json:"elections_started"`
	// TransferElectionsStarted: elections started because a leader hands over.
	TransferElectionsStarted uint64 `json:"transfer_elections_started"`
	// ElectionsWon: elections won.
	ElectionsWon uint64 `json:"elections_won"`
	// ElectionsLostOutvoted: elections and pre-elections lost: refused by too many.
	ElectionsLostOutvoted uint64 `json:"elections_lost_outvoted"`
	// ElectionsLostHigherTerm: elections and pre-elections lost: a message of a higher term came.
	ElectionsLostHigherTerm uint64 `json:"elections_lost_higher_term"`
	// ElectionsLostLeaderAppeared: elections and pre-elections lost: somebody else leads.
	ElectionsLostLeaderAppeared uint64 `json:"elections_lost_leader_appeared"`
	// ElectionsLostTimedOut: elections and pre-elections lost: too few answers, or called anew.
	ElectionsLostTimedOut uint64 `json:"elections_lost_timed_out"`
	// VotesGranted: votes granted to others; pre-votes are not counted.
	VotesGranted uint64 `json:"votes_granted"`
	// VotesRefused: votes refused to others; pre-votes are not counted.
	VotesRefused uint64 `json:"votes_refused"`
	// StepDownsHigherTerm: leaderships ended by a higher term.
	StepDownsHigherTerm uint64 `json:"step_downs_higher_term"`
	// StepDownsCheckQuorum: leaderships ended for want of a quorum.
	StepDownsCheckQuorum uint64 `json:"step_downs_check_quorum"`
	// StepDownsRemoved: leaderships ended by a removal.
	StepDownsRemoved uint64 `json:"step_downs_removed"`
	// RoleChanges: changes of role.
	RoleChanges uint64 `json:"role_changes"`
	// LeaderChanges: changes of the known leader, to none and back included.
	LeaderChanges uint64 `json:"leader_changes"`
	// ProposalsTaken: commands and configuration changes that this leader has appended to its log.
	ProposalsTaken uint64 `json:"proposals_taken"`
	// ProposalsForwarded: proposals that this node has passed on to a leader.
	ProposalsForwarded uint64 `json:"proposals_forwarded"`
	// ProposalsDroppedNoLeader: proposals dropped: no leader known.
	ProposalsDroppedNoLeader uint64 `json:"proposals_dropped_no_leader"`
	// ProposalsDroppedForwardingDisabled: proposals dropped: a follower that may not forward.
	ProposalsDroppedForwardingDisabled uint64 `json:"proposals_dropped_forwarding_disabled"`
	// ProposalsDroppedRemoved: proposals dropped: a leader that is no member.
	ProposalsDroppedRemoved uint64 `json:"proposals_dropped_removed"`
	// ProposalsDroppedTransferring: proposals dropped: leadership is being transferred.
	ProposalsDroppedTransferring uint64 `json:"proposals_dropped_transferring"`
	// ProposalsDroppedUncommittedLimit: proposals dropped: too many uncommitted bytes.
	ProposalsDroppedUncommittedLimit uint64 `json:"proposals_dropped_uncommitted_limit"`
	// ProposalsDroppedLeaderChanged: proposals dropped: sent to a leadership that has ended.
	ProposalsDroppedLeaderChanged uint64 `json:"proposals_dropped_leader_changed"`
	// ConfChangesProposed: configuration changes that this leader has appended to its log.
	ConfChangesProposed uint64 `json:"conf_changes_proposed"`
	// ConfChangesRefused: configuration changes that this leader has turned into empty entries.
	ConfChangesRefused uint64 `json:"conf_changes_refused"`
	// ConfChangesApplied: configuration changes applied.
	ConfChangesApplied uint64 `json:"conf_changes_applied"`
	// ReadsAsked: reads asked for, by this node's host or, on a leader, by others.
	ReadsAsked uint64 `json:"reads_asked"`
	// ReadsForwarded: reads that this node has passed on to a leader.
	ReadsForwarded uint64 `json:"reads_forwarded"`
	// ReadsAnswered: reads answered: read states for the host and answers to others.
	ReadsAnswered uint64 `json:"reads_answered"`
	// ReadsDropped: reads dropped, whatever the reason.
	ReadsDropped uint64 `json:"reads_dropped"`
	// AppendsSent: Appends sent.
	AppendsSent uint64 `json:"appends_sent"`
	// AppendsAccepted: acknowledgements of other members that came to this leader.
	AppendsAccepted uint64 `json:"appends_accepted"`
	// AppendsRejected: refusals of other members that came to this leader.
	AppendsRejected uint64 `json:"appends_rejected"`
	// HeartbeatsSent: heartbeats sent.
	HeartbeatsSent uint64 `json:"heartbeats_sent"`
	// SnapshotsSent: snapshots sent.
	SnapshotsSent uint64 `json:"snapshots_sent"`
	// SnapshotsInstalled: snapshots taken in place of the log.
	SnapshotsInstalled uint64 `json:"snapshots_installed"`
	// SnapshotsIgnored: snapshots that were of no use.
	SnapshotsIgnored uint64 `json:"snapshots_ignored"`
	// SnapshotsFailed: snapshots that did not arrive, as the host reported.
	SnapshotsFailed uint64 `json:"snapshots_failed"`
	// FlowChanges: changes of how a member is sent to.
	FlowChanges uint64 `json:"flow_changes"`
	// EntriesAppended: entries appended to this node's log, as a leader or as a follower.
	EntriesAppended uint64 `json:"entries_appended"`
	// EntriesCommitted: how far the commit index has moved since the node was made.
	EntriesCommitted uint64 `json:"entries_committed"`
	// EntriesApplied: how far the host has applied since the node was made.
	EntriesApplied uint64 `json:"entries_applied"`
	// TransfersStarted: leadership transfers started.
	TransfersStarted uint64 `json:"transfers_started"`
	// TransfersTimedOut: leadership transfers that have timed out.
	TransfersTimedOut uint64 `json:"transfers_timed_out"`
	// TransfersAborted: leadership transfers given up for another reason than a step-down.
	TransfersAborted uint64 `json:"transfers_aborted"`
	// RequestsMade: requests for entries and snapshots made to the host.
	RequestsMade uint64 `json:"requests_made"`
	// RequestsRepeated: requests for entries and snapshots made again because no answer came.
	RequestsRepeated uint64 `json:"requests_repeated"`
	// ReportsSent: reports sent to peers of what was dropped, and of their removal.
	ReportsSent uint64 `json:"reports_sent"`
	// ReportsReceived: reports taken from peers of what was dropped, and of their removal.
	ReportsReceived uint64 `json:"reports_received"`
	// RepeatsDiscarded: forwarded proposals discarded because they had come before.
	RepeatsDiscarded uint64 `json:"repeats_discarded"`
	// EventsLost: events lost because the host took no Ready for too long.
	EventsLost uint64 `json:"events_lost"`
}

// Metrics gives the counters. They are zero for a node that has stopped.
func (rn *RawNode) Metrics() Metrics {
	var m C.raft_metrics
	m.size = C.sizeof_raft_metrics
	err := rn.call(func(node *C.raft_node, failure **C.raft_error) C.raft_status {
		return C.raft_node_metrics(node, &m, failure)
	})
	if err != nil {
		rn.complain("metrics", err)
		return Metrics{}
	}
	return Metrics{
		Ticks:                              uint64(m.ticks),
		MessagesReceived:                   uint64(m.messages_received),
		MessagesRefused:                    uint64(m.messages_refused),
		MessagesSent:                       uint64(m.messages_sent),
		CampaignsRefused:                   uint64(m.campaigns_refused),
		PreElectionsStarted:                uint64(m.pre_elections_started),
		ElectionsStarted:                   uint64(m.elections_started),
		TransferElectionsStarted:           uint64(m.transfer_elections_started),
		ElectionsWon:                       uint64(m.elections_won),
		ElectionsLostOutvoted:              uint64(m.elections_lost_outvoted),
		ElectionsLostHigherTerm:            uint64(m.elections_lost_higher_term),
		ElectionsLostLeaderAppeared:        uint64(m.elections_lost_leader_appeared),
		ElectionsLostTimedOut:              uint64(m.elections_lost_timed_out),
		VotesGranted:                       uint64(m.votes_granted),
		VotesRefused:                       uint64(m.votes_refused),
		StepDownsHigherTerm:                uint64(m.step_downs_higher_term),
		StepDownsCheckQuorum:               uint64(m.step_downs_check_quorum),
		StepDownsRemoved:                   uint64(m.step_downs_removed),
		RoleChanges:                        uint64(m.role_changes),
		LeaderChanges:                      uint64(m.leader_changes),
		ProposalsTaken:                     uint64(m.proposals_taken),
		ProposalsForwarded:                 uint64(m.proposals_forwarded),
		ProposalsDroppedNoLeader:           uint64(m.proposals_dropped_no_leader),
		ProposalsDroppedForwardingDisabled: uint64(m.proposals_dropped_forwarding_disabled),
		ProposalsDroppedRemoved:            uint64(m.proposals_dropped_removed),
		ProposalsDroppedTransferring:       uint64(m.proposals_dropped_transferring),
		ProposalsDroppedUncommittedLimit:   uint64(m.proposals_dropped_uncommitted_limit),
		ProposalsDroppedLeaderChanged:      uint64(m.proposals_dropped_leader_changed),
		ConfChangesProposed:                uint64(m.conf_changes_proposed),
		ConfChangesRefused:                 uint64(m.conf_changes_refused),
		ConfChangesApplied:                 uint64(m.conf_changes_applied),
		ReadsAsked:                         uint64(m.reads_asked),
		ReadsForwarded:                     uint64(m.reads_forwarded),
		ReadsAnswered:                      uint64(m.reads_answered),
		ReadsDropped:                       uint64(m.reads_dropped),
		AppendsSent:                        uint64(m.appends_sent),
		AppendsAccepted:                    uint64(m.appends_accepted),
		AppendsRejected:                    uint64(m.appends_rejected),
		HeartbeatsSent:                     uint64(m.heartbeats_sent),
		SnapshotsSent:                      uint64(m.snapshots_sent),
		SnapshotsInstalled:                 uint64(m.snapshots_installed),
		SnapshotsIgnored:                   uint64(m.snapshots_ignored),
		SnapshotsFailed:                    uint64(m.snapshots_failed),
		FlowChanges:                        uint64(m.flow_changes),
		EntriesAppended:                    uint64(m.entries_appended),
		EntriesCommitted:                   uint64(m.entries_committed),
		EntriesApplied:                     uint64(m.entries_applied),
		TransfersStarted:                   uint64(m.transfers_started),
		TransfersTimedOut:                  uint64(m.transfers_timed_out),
		TransfersAborted:                   uint64(m.transfers_aborted),
		RequestsMade:                       uint64(m.requests_made),
		RequestsRepeated:                   uint64(m.requests_repeated),
		ReportsSent:                        uint64(m.reports_sent),
		ReportsReceived:                    uint64(m.reports_received),
		RepeatsDiscarded:                   uint64(m.repeats_discarded),
		EventsLost:                         uint64(m.events_lost),
	}
}
