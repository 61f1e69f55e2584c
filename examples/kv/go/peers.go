// Sending to the other members: for each one a bounded queue and a goroutine with a connection,
// so that a slow or dead peer costs nothing but its own queue. Raft sends again what gets lost.

package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"io"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	pb "go.etcd.io/raft/v3/raftpb"
	"libraft.dev/go/raft"
)

const (
	maxQueuedMessages = 4096
	maxQueuedBytes    = 32 << 20
	maxBatchMessages  = 256
	maxBatchBytes     = 4 << 20
	connectTimeout    = time.Second
	answerTimeout     = 10 * time.Second
	pauseAfterFailure = 50 * time.Millisecond
)

// outcome is what became of a batch.
type outcome struct {
	delivered bool
	// snapshots counts the MsgSnaps in the batch.
	snapshots int
	// gone says that the peer knows this node to be removed.
	gone bool
}

// frame is an encoded message with its length in front.
type frame struct {
	bytes    []byte
	snapshot bool
}

// Sender sends to one peer until it is stopped.
type Sender struct {
	address string
	queue   chan frame
	queued  atomic.Int64 // bytes
	stop    context.CancelFunc
}

// startSender starts sending to an address, in the name of the node at own. What becomes of each
// batch is reported, from another goroutine.
func startSender(own, address string, report func(outcome)) *Sender {
	ctx, stop := context.WithCancel(context.Background())
	s := &Sender{address: address, queue: make(chan frame, maxQueuedMessages), stop: stop}
	client := &http.Client{
		Timeout: answerTimeout,
		Transport: &http.Transport{
			DialContext:     (&net.Dialer{Timeout: connectTimeout}).DialContext,
			MaxConnsPerHost: 1,
		},
	}
	go func() {
		defer client.CloseIdleConnections()
		snapshots := 0
		defer func() {
			if snapshots += s.drain(); snapshots > 0 {
				report(outcome{snapshots: snapshots})
			}
		}()
		for {
			var batch []byte
			batch, snapshots = s.take(ctx)
			if ctx.Err() != nil {
				return
			}
			status, err := post(ctx, client, own, address, batch)
			if ctx.Err() != nil {
				return
			}
			delivered := err == nil && status == http.StatusNoContent
			report(outcome{delivered, snapshots, err == nil && status == http.StatusGone})
			snapshots = 0
			if !delivered {
				select {
				case <-time.After(pauseAfterFailure):
				case <-ctx.Done():
				}
			}
		}
	}()
	return s
}

// enqueue takes an encoded message, which is copied, or says that the queue is full.
func (s *Sender) enqueue(message []byte, snapshot bool) bool {
	if s.queued.Load() >= maxQueuedBytes {
		return false
	}
	f := frame{make([]byte, 0, binary.MaxVarintLen64+len(message)), snapshot}
	f.bytes = appendSized(f.bytes, message)
	select {
	case s.queue <- f:
		s.queued.Add(int64(len(f.bytes)))
		return true
	default:
		return false
	}
}

// take waits for a message, and takes what else is there.
func (s *Sender) take(ctx context.Context) (batch []byte, snapshots int) {
	for messages := 0; messages < maxBatchMessages && len(batch) < maxBatchBytes; messages++ {
		var f frame
		if messages == 0 {
			select {
			case f = <-s.queue:
			case <-ctx.Done():
				return nil, 0
			}
		} else {
			select {
			case f = <-s.queue:
			default:
				return batch, snapshots
			}
		}
		s.queued.Add(-int64(len(f.bytes)))
		batch = append(batch, f.bytes...)
		if f.snapshot {
			snapshots++
		}
	}
	return batch, snapshots
}

// drain empties the queue of a sender that has been stopped, and counts the MsgSnaps in it.
func (s *Sender) drain() (snapshots int) {
	for {
		select {
		case f := <-s.queue:
			if f.snapshot {
				snapshots++
			}
		default:
			return snapshots
		}
	}
}

// post sends one request, once: the peer may have taken it and not been able to say so, and a
// proposal that is taken twice is carried out twice, the second time perhaps over a newer write.
func post(ctx context.Context, client *http.Client, own, address string, body []byte) (int, error) {
	request, err := http.NewRequestWithContext(
		ctx, http.MethodPost, "http://"+address+"/raft", bytes.NewReader(body))
	if err != nil {
		return 0, err
	}
	// The library must not try again by itself either.
	request.GetBody = nil
	request.Header.Set("Content-Type", "application/octet-stream")
	request.Header.Set("Raft-Address", own)
	answer, err := client.Do(request)
	if err != nil {
		return 0, err
	}
	_, err = io.Copy(io.Discard, io.LimitReader(answer.Body, 1<<16))
	_ = answer.Body.Close()
	return answer.StatusCode, err
}

// learn notes where a sender is whose address is not replicated: a new node must answer its leader
// before it has learned the members from it.
func (n *Node) learn(id uint64, address string) {
	if _, known := n.state.members[id]; known || address == "" || n.learned[id] == address {
		return
	}
	if _, known := n.learned[id]; !known && len(n.learned) >= maxLearned {
		clear(n.learned)
	}
	n.learned[id] = address
	n.updateSenders()
}

func (n *Node) addressOf(id uint64) string {
	if address, ok := n.state.members[id]; ok {
		return address
	}
	return n.learned[id]
}

// updateSenders ends the senders to addresses that are no longer right.
func (n *Node) updateSenders() {
	for id, sender := range n.senders {
		if n.addressOf(id) != sender.address {
			sender.stop()
			delete(n.senders, id)
		}
	}
}

// send puts a message into its recipient's queue, or tells raft that it is lost.
func (n *Node) send(m *pb.Message, encoded []byte) {
	to := m.GetTo()
	snapshot := m.GetType() == pb.MsgSnap
	sender := n.senders[to]
	if address := n.addressOf(to); sender == nil && address != "" && !n.state.removed[to] {
		sender = startSender(n.address, address, func(o outcome) { n.report(to, o) })
		n.senders[to] = sender
	}
	if sender != nil && sender.enqueue(encoded, snapshot) {
		return
	}
	if snapshot {
		n.raft.ReportSnapshot(to, raft.SnapshotFailure)
	}
	if sender == nil {
		n.raft.ReportUnreachable(to)
	}
}

// report tells the node what became of a batch. It is called on the sender's goroutine, and waits
// for room in the queue: a snapshot whose outcome nobody hears of blocks its follower.
func (n *Node) report(to uint64, o outcome) {
	if o.delivered && o.snapshots == 0 {
		return
	}
	input := func() {
		switch {
		case n.gone:
		case o.delivered:
			n.raft.ReportSnapshot(to, raft.SnapshotFinish)
		default:
			n.raft.ReportUnreachable(to)
			if o.snapshots > 0 {
				n.raft.ReportSnapshot(to, raft.SnapshotFailure)
			}
			n.gone = o.gone
		}
	}
	select {
	case n.inputs <- input:
	case <-n.done:
	}
}
