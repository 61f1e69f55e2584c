// What has happened in this process, for GET /status: a bounded list of the library's events and of
// the program's own. It counts and keeps; it decides nothing.

package main

import (
	"strings"
	"time"

	"libraft.dev/go/raft"
)

const keptEvents = 128

// Happening is an event as GET /status shows it.
type Happening struct {
	N      uint64  `json:"n"`
	AtS    float64 `json:"at_s"`
	Type   string  `json:"type"`
	Reason string  `json:"reason"`
	Kind   string  `json:"kind"`
	Node   uint64  `json:"node"`
	Term   uint64  `json:"term"`
	Index  uint64  `json:"index"`
	From   uint64  `json:"from"`
	To     uint64  `json:"to"`
}

// History has the last events, the oldest first. What it has given away is not written to again.
type History struct {
	begun  time.Time
	count  uint64
	events []Happening
}

var keptTypes = map[raft.EventType]bool{
	raft.EventLeaderChanged: true, raft.EventCampaignStarted: true, raft.EventElectionWon: true,
	raft.EventElectionLost: true, raft.EventSteppedDown: true, raft.EventFlowChanged: true,
	raft.EventTransferStarted: true, raft.EventTransferEnded: true,
	raft.EventSnapshotInstalled: true, raft.EventRemoved: true,
}

// addAll takes those of the library's events that a reader can use.
func (h *History) addAll(events []raft.Event) {
	for _, e := range events {
		// Without a quorum, one try to be elected follows the other, and would fill the list.
		if !keptTypes[e.Type] || e.KindName() == "RAFT_CAMPAIGN_PRE_ELECTION" {
			continue
		}
		h.add(Happening{
			Type:   strings.ToLower(strings.TrimPrefix(e.Type.String(), "RAFT_EVENT_")),
			Reason: e.ReasonName(), Kind: e.KindName(),
			Node: e.Node, Term: e.Term, Index: e.Index, From: e.From, To: e.To,
		})
	}
}

func (h *History) add(event Happening) {
	h.count++
	event.N, event.AtS = h.count, time.Since(h.begun).Seconds()
	kept := h.events
	if len(kept) == keptEvents {
		kept = kept[1:]
	}
	h.events = append(append(make([]Happening, 0, keptEvents), kept...), event)
}
