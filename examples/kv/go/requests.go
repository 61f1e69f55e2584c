// The requests that wait in a node: for their entry to be applied, or for a read index. All of it
// runs on the node's goroutine, but for what [Node.ask] says.

package main

import (
	"bytes"
	"errors"
	"fmt"
	"time"

	pb "go.etcd.io/raft/v3/raftpb"
	"libraft.dev/go/raft"
)

// answer is what a request gets, with the HTTP status that says what became of it.
type answer struct {
	status int
	reason string
	index  uint64
	value  []byte
}

// full is the answer to a write that would make the state too large.
var full = answer{status: 507, reason: "the state would be too large"}

func unavailable(reason string) answer { return answer{status: 503, reason: reason} }

// waiter is a request that waits for an entry to be applied.
type waiter struct {
	reply    func(answer)
	deadline time.Time
	// change says that it waits for a change of the members.
	change bool
}

// read is a request that waits for a value.
type read struct {
	key      string
	reply    func(answer)
	deadline time.Time
}

// round is a batch of reads that wait for one read index.
type round struct {
	reads []read
	// index is to be applied first; 0 as long as it is not known.
	index uint64
	ticks int
}

// What a node answers that takes no more requests.
var (
	removed   = unavailable("this node has been removed from the cluster")
	goingDown = unavailable("going down")
)

// request runs a client's request on the node's goroutine. There may be so many of them at a time
// that the queue always has room for peers.
func (n *Node) request(run func(reply func(answer))) answer {
	defer n.waiting.Add(-1)
	if n.waiting.Add(1) > maxWaiting {
		return unavailable("too many requests wait")
	}
	return n.ask(removed, run)
}

// ask runs a function on the node's goroutine, and waits until it, or whatever it starts, replies.
func (n *Node) ask(whenRemoved answer, run func(reply func(answer))) answer {
	replies := make(chan answer, 1)
	input := func() {
		if n.gone {
			replies <- whenRemoved
			return
		}
		run(func(a answer) { n.replies = append(n.replies, func() { replies <- a }) })
	}
	select {
	case n.inputs <- input:
	default:
		return unavailable("the queue is full")
	}
	select {
	case a := <-replies:
		return a
	case <-time.After(requestTimeout):
		return unavailable("no answer in time; a write may still happen")
	case <-n.done:
	}
	select {
	case a := <-replies:
		return a
	default:
		return goingDown
	}
}

// Write puts or deletes a key, and answers when that is applied here.
func (n *Node) Write(op byte, key, value []byte) answer {
	return n.request(func(reply func(answer)) {
		if op == opPut && !n.state.fits(key, value) {
			reply(full)
			return
		}
		c := command{tag: n.nextTag(), op: op, key: key, value: value}
		n.await(c.tag, n.raft.Propose(c.encode()), waiter{reply: reply})
	})
}

// Change adds a member at an address, or removes it if there is none.
func (n *Node) Change(id uint64, address string) answer {
	return n.request(func(reply func(answer)) {
		kind, status, refusal := pb.ConfChangeAddNode, 409, ""
		if address != "" {
			refusal = n.state.refuseAdd(id, address)
		} else {
			kind, refusal = pb.ConfChangeRemoveNode, n.state.refuseRemove(id)
			if _, ok := n.state.members[id]; !ok {
				status = 404
			}
		}
		if refusal == "" && n.changing {
			refusal = "another change waits"
		}
		if refusal != "" {
			reply(answer{status: status, reason: refusal})
			return
		}
		name := n.nextTag()
		err := n.raft.ProposeConfChange(&pb.ConfChange{
			Type: kind.Enum(), NodeId: new(id), Context: append(name.append(nil), address...),
		})
		n.await(name, err, waiter{reply: reply, change: true})
	})
}

// Transfer asks the leader to hand over to a member.
func (n *Node) Transfer(id uint64) answer {
	return n.request(func(reply func(answer)) {
		_, member := n.state.members[id]
		switch leader := n.raft.BasicStatus().Lead; {
		case !member:
			reply(answer{status: 404, reason: "no such member"})
		case leader == raft.None:
			reply(unavailable("there is no leader"))
		case leader == id:
			reply(answer{status: 409, reason: "it leads already"})
		default:
			n.raft.TransferLeader(id)
			reply(answer{status: 202, value: fmt.Appendf(nil, `{"asked": %d}`, id)})
		}
	})
}

func (n *Node) nextTag() tag {
	n.sequence++
	return tag{n.id, n.sequence}
}

// await lets a request wait for its entry, if that was taken.
func (n *Node) await(name tag, err error, w waiter) {
	if err != nil {
		w.reply(n.dropped(err))
		return
	}
	w.deadline = time.Now().Add(requestTimeout)
	n.writes[name.sequence] = w
	n.changing = n.changing || w.change
}

func (n *Node) dropped(err error) answer {
	if isDropped(err) {
		return unavailable("dropped: " + n.raft.DropReason().String())
	}
	return unavailable(err.Error())
}

func isDropped(err error) bool {
	return errors.Is(err, raft.ErrProposalDropped) || errors.Is(err, &raft.Error{Code: raft.CodeReadDropped})
}

// answerOwn answers who waits for an entry, if it was proposed here.
func (n *Node) answerOwn(name tag, a answer) {
	if name.node == n.id {
		n.answerWrite(name.sequence, a)
	}
}

// answerDropped answers who waits for what will not happen, as a leader elsewhere or this node says.
// Reads go out again by themselves.
func (n *Node) answerDropped(dropped raft.Dropped) {
	a, tagged := unavailable("dropped: "+dropped.Reason.String()), dropped.Data
	switch dropped.Kind {
	case raft.DroppedProposal:
	case raft.DroppedConfChange:
		entry := &pb.Entry{Type: pb.EntryConfChange.Enum(), Data: dropped.Data}
		decoded, err := raft.DecodeConfChange(entry)
		if err != nil {
			return
		}
		tagged = decoded.(*pb.ConfChange).GetContext()
		switch dropped.Reason {
		case raft.DropConfChangePending, raft.DropAlreadyJoint, raft.DropNotJoint:
			a = answer{status: 409, reason: "refused: " + dropped.Reason.String()}
		}
	default:
		return
	}
	if name, _, ok := takeTag(tagged); ok {
		n.answerOwn(name, a)
	}
}

func (n *Node) answerWrite(sequence uint64, a answer) {
	if w, ok := n.writes[sequence]; ok {
		delete(n.writes, sequence)
		n.changing = n.changing && !w.change
		w.reply(a)
	}
}

// Read gives the value of a key, as of a moment after the call.
func (n *Node) Read(key []byte) answer {
	return n.request(func(reply func(answer)) {
		n.arrived = append(n.arrived, read{string(key), reply, time.Now().Add(requestTimeout)})
	})
}

// sendReads asks for one read index for all reads that have arrived.
func (n *Node) sendReads() {
	if len(n.arrived) == 0 || n.gone {
		return
	}
	reads := n.arrived
	n.arrived = nil
	context := n.nextTag().append(nil)
	if err := n.raft.TryReadIndex(context); err != nil {
		for _, r := range reads {
			r.reply(n.dropped(err))
		}
		return
	}
	n.rounds[string(context)] = &round{reads: reads}
}

// answerReads answers the reads whose index is applied.
func (n *Node) answerReads() {
	for context, r := range n.rounds {
		if r.index == 0 || r.index > n.applied {
			continue
		}
		delete(n.rounds, context)
		for _, read := range r.reads {
			if p, ok := n.state.pairs[read.key]; ok {
				read.reply(answer{status: 200, value: p.value})
			} else {
				read.reply(answer{status: 404, reason: "no such key"})
			}
		}
	}
}

func (n *Node) answerAll(a answer) {
	for sequence := range n.writes {
		n.answerWrite(sequence, a)
	}
	for context, r := range n.rounds {
		n.arrived = append(n.arrived, r.reads...)
		delete(n.rounds, context)
	}
	for _, r := range n.arrived {
		r.reply(a)
	}
	n.arrived = nil
}

// Receive hands over messages from a peer, all of one sender at most. The address is where it says
// it is, or empty.
func (n *Node) Receive(messages []received, address string) answer {
	return n.ask(answer{status: 204}, func(reply func(answer)) {
		result := answer{status: 204}
		for _, m := range messages {
			if n.state.removed[m.from] {
				result = answer{status: 410, reason: "the sender has been removed from the cluster"}
				break
			}
			n.learn(m.from, address)
			err := n.raft.StepEncoded(m.encoded)
			if err == nil || errors.Is(err, raft.ErrStepPeerNotFound) || isDropped(err) {
				continue
			}
			n.complain(fmt.Sprintf("a message of %d is refused: %v", m.from, err))
			result = answer{status: 400, reason: err.Error()}
		}
		reply(result)
	})
}

// Metrics is what the node says about itself, for Prometheus.
func (n *Node) Metrics() answer {
	return n.ask(removed, func(reply func(answer)) {
		var text bytes.Buffer
		if err := raft.WritePrometheus(&text, n.raft); err != nil {
			reply(answer{status: 503, reason: err.Error()})
			return
		}
		reply(answer{status: 200, value: text.Bytes()})
	})
}

// dropLateRequests answers those whose time is up, and lets reads try again.
func (n *Node) dropLateRequests() {
	now := time.Now()
	for sequence, w := range n.writes {
		if now.After(w.deadline) {
			n.answerWrite(sequence, unavailable("not applied in time; it may still happen"))
		}
	}
	for context, r := range n.rounds {
		r.reads = n.dropLate(r.reads, now)
		if r.ticks++; r.index == 0 && r.ticks >= readRetryTicks {
			// Under a new name: an answer to the first try must not confirm the second.
			n.arrived = append(n.arrived, r.reads...)
			r.reads = nil
		}
		if len(r.reads) == 0 {
			delete(n.rounds, context)
		}
	}
}

func (n *Node) dropLate(reads []read, now time.Time) (kept []read) {
	for _, r := range reads {
		if now.After(r.deadline) {
			r.reply(unavailable("no read index in time"))
		} else {
			kept = append(kept, r)
		}
	}
	return kept
}
