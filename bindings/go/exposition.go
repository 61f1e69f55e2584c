// Nodes as a text for Prometheus, without its client library.

package raft

import (
	"context"
	"fmt"
	"io"
	"maps"
	"runtime"
	"slices"
	"unsafe"
)

// #include "libraft.h"
import "C"

// PrometheusContentType is what the text of an [Exposition] is, for the header Content-Type.
const PrometheusContentType = "text/plain; version=0.0.4; charset=utf-8"

// Exposition is nodes that are to be one text for Prometheus, in which what is said about a metric may
// stand only once. Make one for each scrape. Any number of goroutines may use it.
type Exposition struct {
	native *C.raft_exposition
}

// NewExposition is an exposition without nodes.
func NewExposition() *Exposition {
	var native *C.raft_exposition
	var failure *C.raft_error
	if err := takeError(C.raft_exposition_new(&native, &failure), failure); err != nil {
		// It has no argument that could be refused.
		panic(err)
	}
	e := &Exposition{native: native}
	runtime.AddCleanup(e, func(native *C.raft_exposition) { C.raft_exposition_free(native) }, native)
	return e
}

// Add adds what the node says about itself at this moment, with these labels besides "node", its id. Two
// nodes with one id, of two groups, need labels that tell them apart. If it fails, nothing is added: an
// *[Error] with CodeArgument says what is wrong with a label.
func (e *Exposition) Add(rn *RawNode, labels map[string]string) error {
	// Names and values by turns, as a list of raft_label has them.
	texts := make([][]byte, 0, 2*len(labels))
	for _, name := range slices.Sorted(maps.Keys(labels)) {
		texts = append(texts, []byte(name), []byte(labels[name]))
	}
	err := rn.call(func(node *C.raft_node, failure **C.raft_error) C.raft_status {
		return withViews(texts, func(list *C.raft_bytes, length C.size_t) C.raft_status {
			pairs := (*C.raft_label)(unsafe.Pointer(list))
			return C.raft_exposition_add(e.native, node, pairs, length/2, failure)
		})
	})
	runtime.KeepAlive(e)
	return err
}

// AddNode does the same with a node that [StartNode] or [RestartNode] has made. It waits until the node
// has time for it, or ctx ends.
func (e *Exposition) AddNode(ctx context.Context, n Node, labels map[string]string) error {
	ours, ok := n.(*node)
	if !ok {
		return fmt.Errorf("raft: a %T was not made by StartNode or RestartNode: pass what they return", n)
	}
	return ours.ask(ctx, func() error { return e.Add(ours.raw, labels) })
}

// WriteTo writes the text.
func (e *Exposition) WriteTo(w io.Writer) (int64, error) {
	var buffer *C.raft_buffer
	var failure *C.raft_error
	err := takeError(C.raft_exposition_text(e.native, &buffer, &failure), failure)
	runtime.KeepAlive(e)
	if err != nil {
		return 0, err
	}
	n, err := w.Write(takeText(buffer))
	return int64(n), err
}

// WritePrometheus writes the text of these nodes, which have no labels but their ids.
func WritePrometheus(w io.Writer, nodes ...*RawNode) error {
	e := NewExposition()
	for _, rn := range nodes {
		if err := e.Add(rn, nil); err != nil {
			return err
		}
	}
	_, err := e.WriteTo(w)
	return err
}
