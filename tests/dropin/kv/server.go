// The server: HTTP for clients and for the messages between nodes.

package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"

	pb "go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"
)

const (
	requestTimeout = time.Second
	// sendQueue is how many messages wait for a peer before more get lost.
	sendQueue = 1024
)

// Options say which server to start.
type Options struct {
	ID       uint64
	Dir      string
	Listener net.Listener
	// The first members.
	Peers map[uint64]string
	Join  bool
}

// Server is a node that can be reached.
type Server struct {
	*Node
	http   *http.Server
	client *http.Client
	ctx    context.Context
	cancel context.CancelFunc
	store  *Store

	ready   chan struct{} // closed when Node is there
	mutex   sync.Mutex
	senders map[uint64]chan *pb.Message
	running sync.WaitGroup
}

// Serve starts a server.
func Serve(o Options) (*Server, error) {
	s := &Server{
		client: &http.Client{Timeout: requestTimeout, Transport: &http.Transport{}}, store: NewStore(),
		ready: make(chan struct{}), senders: map[uint64]chan *pb.Message{},
	}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	for id, url := range o.Peers {
		s.store.SetPeer(id, url)
	}
	node, err := StartNode(o.ID, o.Dir, o.Peers, o.Join, s.store, s.send)
	if err != nil {
		s.cancel()
		return nil, err
	}
	s.Node = node
	close(s.ready)
	mux := http.NewServeMux()
	mux.HandleFunc("GET /keys/{key}", s.get)
	mux.HandleFunc("PUT /keys/{key}", s.put)
	mux.HandleFunc("POST /members/{id}", s.change)
	mux.HandleFunc("DELETE /members/{id}", s.change)
	mux.HandleFunc("POST /raft", s.receive)
	s.http = &http.Server{Handler: mux, BaseContext: func(net.Listener) context.Context { return s.ctx }}
	s.running.Go(func() { _ = s.http.Serve(o.Listener) })
	return s, nil
}

// Close stops the server as a crash would: nobody is told.
func (s *Server) Close() {
	s.cancel()
	s.Node.Close()
	_ = s.http.Close()
	s.running.Wait()
	s.client.CloseIdleConnections()
}

// send hands a message to the goroutine that sends to its recipient.
func (s *Server) send(m *pb.Message) {
	s.mutex.Lock()
	queue, ok := s.senders[m.GetTo()]
	if !ok && s.ctx.Err() == nil {
		queue = make(chan *pb.Message, sendQueue)
		s.senders[m.GetTo()] = queue
		s.running.Go(func() { s.sendAll(queue) })
	}
	s.mutex.Unlock()
	select {
	case queue <- m:
	default:
	}
}

func (s *Server) sendAll(queue chan *pb.Message) {
	<-s.ready
	for {
		select {
		case m := <-queue:
			if err := s.post(m); err != nil {
				s.Unsent(m)
			} else {
				s.Sent(m)
			}
		case <-s.ctx.Done():
			return
		}
	}
}

func (s *Server) post(m *pb.Message) error {
	url := s.store.Peer(m.GetTo())
	if url == "" {
		return fmt.Errorf("nobody knows where %d is", m.GetTo())
	}
	data, err := proto.Marshal(m)
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(s.ctx, "POST", url+"/raft", bytes.NewReader(data))
	if err != nil {
		return err
	}
	response, err := s.client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusNoContent {
		return fmt.Errorf("%s", response.Status)
	}
	return nil
}

func (s *Server) receive(w http.ResponseWriter, r *http.Request) {
	data, err := io.ReadAll(r.Body)
	m := &pb.Message{}
	if err == nil {
		err = proto.Unmarshal(data, m)
	}
	if err == nil {
		err = s.Step(r.Context(), m)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

func (s *Server) get(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), requestTimeout)
	defer cancel()
	value, ok, err := s.Get(ctx, r.PathValue("key"))
	switch {
	case err != nil:
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
	case !ok:
		http.NotFound(w, r)
	default:
		_, _ = io.WriteString(w, value)
	}
}

func (s *Server) put(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	s.do(w, r, func(ctx context.Context) error {
		return s.Set(ctx, r.PathValue("key"), string(body))
	})
}

func (s *Server) change(w http.ResponseWriter, r *http.Request) {
	id, err := strconv.ParseUint(r.PathValue("id"), 10, 64)
	body, failed := io.ReadAll(r.Body)
	if err != nil || failed != nil || id == 0 || (len(body) == 0) != (r.Method == http.MethodDelete) {
		http.Error(w, "a member has a number, and a URL when it is added", http.StatusBadRequest)
		return
	}
	s.do(w, r, func(ctx context.Context) error { return s.Change(ctx, id, string(body)) })
}

func (s *Server) do(w http.ResponseWriter, r *http.Request, f func(context.Context) error) {
	ctx, cancel := context.WithTimeout(r.Context(), requestTimeout)
	defer cancel()
	if err := f(ctx); err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}
