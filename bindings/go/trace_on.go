//go:build with_tla

// The types of the state trace, as go.etcd.io/raft has them with the build tag with_tla, for
// programs that have a TraceLogger of their own. libraft traces nothing: it never calls one.

package raft

// StateTraceDeployed says whether the package was built with the tag with_tla.
const StateTraceDeployed = true

// The values of SingleConfChange.Action.
const (
	ConfChangeAddNewServer string = "AddNewServer"
	ConfChangeRemoveServer string = "RemoveServer"
	ConfChangeAddLearner   string = "AddLearner"
)

// TraceLogger is the type of Config.TraceLogger, which is not used.
type TraceLogger interface {
	// TraceEvent would take a step.
	TraceEvent(*TracingEvent)
}

// TracingEvent is one step of one node.
type TracingEvent struct {
	Name       string             `json:"name"`
	NodeID     string             `json:"nid"`
	State      TracingState       `json:"state"`
	Role       string             `json:"role"`
	LogSize    uint64             `json:"log"`
	Conf       [2][]string        `json:"conf"`
	Message    *TracingMessage    `json:"msg,omitempty"`
	ConfChange *TracingConfChange `json:"cc,omitempty"`
	Properties map[string]any     `json:"prop,omitempty"`
}

// TracingState is a node's hard state.
type TracingState struct {
	Term   uint64 `json:"term"`
	Vote   string `json:"vote"`
	Commit uint64 `json:"commit"`
}

// TracingMessage is a message that was sent or received.
type TracingMessage struct {
	Type        string `json:"type"`
	Term        uint64 `json:"term"`
	From        string `json:"from"`
	To          string `json:"to"`
	EntryLength int    `json:"entries"`
	LogTerm     uint64 `json:"logTerm"`
	Index       uint64 `json:"index"`
	Commit      uint64 `json:"commit"`
	Vote        string `json:"vote"`
	Reject      bool   `json:"reject"`
	RejectHint  uint64 `json:"rejectHint"`
}

// SingleConfChange is a change of one member.
type SingleConfChange struct {
	NodeID string `json:"nid"`
	Action string `json:"action"`
}

// TracingConfChange is a configuration change.
type TracingConfChange struct {
	Changes []SingleConfChange `json:"changes,omitempty"`
	NewConf []string           `json:"newconf,omitempty"`
}
