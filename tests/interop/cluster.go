// A cluster of servers, a network between them, and what happens to them: all of it drawn from one
// seed, so that the seed is the whole of a bug report.

package main

import (
	"fmt"
	"math/rand/v2"
	"slices"

	pb "go.etcd.io/raft/v3/raftpb"
	"libraft.dev/tests/interop/member"
)

// implementation is a library, and the way to it.
type implementation int

const (
	implEtcd37 implementation = iota
	implEtcd36
	// Ours, through the C interface and the Go binding.
	implC
	// Ours, the crate.
	implRust
	implementations
)

func (i implementation) String() string {
	return [...]string{"etcd-3.7", "etcd-3.6", "libraft-c", "libraft-rust"}[i]
}

func (i implementation) isOurs() bool {
	return i == implC || i == implRust
}

// mixes are the implementations that a cluster is made of.
var mixes = map[string][]implementation{
	"3.7": {implEtcd37, implC, implRust},
	"3.6": {implEtcd36, implC, implRust},
	"all": {implEtcd37, implEtcd36, implC, implRust},
}

// maxServers limits the ids, which are never used again.
const maxServers = 16

type cluster struct {
	rng     *rand.Rand
	members [implementations]member.Member
	mix     []implementation
	servers []*server
	network []*letter
	history *history
	seen    *coverage
	// Looks at each message that is sent, if it is not nil.
	inspect func(implementation, []byte) error

	// The first members are 1 to first. They begin with entries, or with a snapshot.
	first      uint64
	bootstraps bool
	// The flags that all servers have, and whether they are drawn anew meanwhile, so that a
	// restarted server may have others.
	common  uint64
	rolling bool
	// Whether our nodes use what etcd's don't know.
	extended bool
	// Whether some reads may have been served from a lease.
	leases bool

	step    int
	healing bool
	weather weather
	// Whom a link is cut between.
	cut map[[2]uint64]bool
	// The last step at which somebody else than the one leader of the newest term took itself for
	// the leader, or nobody did.
	rivalry uint64

	proposals, readNames int
	transfer             transfer
	notes                []event
}

// weather is what the network and the servers are like for a while. Chances are in thousandths.
type weather struct {
	lose, repeat, reorder, crash, tick int
	// Whose append worker stands still.
	slow uint64
}

// letter is a message under way.
type letter struct {
	from, to uint64
	kind     pb.MessageType
	encoded  []byte
	impl     implementation
	snapshot uint64
	// Whether it asks for a snapshot.
	asks bool
}

// transfer is one that was asked for.
type transfer struct {
	from implementation
	to   uint64
	term uint64
}

type event struct {
	step int
	text string
	args []any
}

// notes is how many of the last events a failure tells.
var notes = 60

// note keeps what happened, for whoever has to find out.
func (c *cluster) note(text string, args ...any) {
	c.notes = append(c.notes, event{c.step, text, args})
}

// run plays one round.
func run(members [implementations]member.Member, mix []implementation, seed uint64, steps int, seen *coverage) error {
	return newCluster(members, mix, seed, seen).run(seed, steps)
}

func newCluster(members [implementations]member.Member, mix []implementation, seed uint64, seen *coverage) *cluster {
	return &cluster{
		rng:     rand.New(rand.NewPCG(seed, uint64(len(mix)))),
		members: members, mix: mix, seen: seen,
		cut: map[[2]uint64]bool{},
	}
}

func (c *cluster) run(seed uint64, steps int) (err error) {
	seen := c.seen
	for _, impl := range c.mix {
		if r := c.members[impl].Call(&member.Request{Op: member.Reset, A: seed}); r.Code != member.OK {
			return fmt.Errorf("%v: %s", impl, r.Text)
		}
	}
	defer func() {
		if cause := recover(); cause != nil {
			err = fmt.Errorf("panic: %v", cause)
		}
		if err != nil {
			for _, e := range c.notes[max(0, len(c.notes)-notes):] {
				err = fmt.Errorf("%w\n  %6d  %s", err, e.step, fmt.Sprintf(e.text, e.args...))
			}
		}
	}()
	if err := c.begin(); err != nil {
		return fmt.Errorf("at the start: %w", err)
	}
	for c.step = 1; c.step <= steps; c.step++ {
		if err := c.happen(); err != nil {
			return fmt.Errorf("step %d: %w", c.step, err)
		}
		c.watchLeaders()
	}
	if err := c.heal(); err != nil {
		return fmt.Errorf("after healing: %w", err)
	}
	seen.rounds++
	seen.steps += steps
	seen.digest = seen.digest*1000003 + c.history.state[c.history.last()]
	return nil
}

func (c *cluster) begin() error {
	c.first = 3 + uint64(c.rng.IntN(3))
	c.bootstraps = c.rng.IntN(3) == 0
	c.rolling = c.rng.IntN(3) == 0
	c.extended = c.rng.IntN(2) == 0
	c.drawCommon()
	confState := pb.EnsureConfState(&pb.ConfState{Voters: c.firstMembers()})
	beginning := &pb.Snapshot{}
	if c.bootstraps {
		c.history = newHistory(pb.EnsureConfState(&pb.ConfState{}), 0)
		for id := range c.first {
			c.history.confStates[id+1] = pb.EnsureConfState(&pb.ConfState{Voters: c.firstMembers()[:id+1]})
		}
	} else {
		c.history = newHistory(confState, 1)
		beginning.Metadata = &pb.SnapshotMetadata{
			Index: new(uint64(1)), Term: new(uint64(1)), ConfState: confState,
		}
		beginning.Data = c.snapshotData(1)
	}
	// Each kind is there, and who is what is drawn.
	impls := slices.Clone(c.mix)
	c.rng.Shuffle(len(impls), func(i, j int) { impls[i], impls[j] = impls[j], impls[i] })
	for id := uint64(1); id <= c.first; id++ {
		impl := c.someImpl()
		if id <= uint64(len(impls)) {
			impl = impls[id-1]
		}
		s := c.newServer()
		s.disk.snapshot = beginning
		if !c.bootstraps {
			s.disk.compacted = position{1, 1}
			s.disk.hardState = &pb.HardState{Term: new(uint64(1)), Vote: new(uint64(0)), Commit: new(uint64(1))}
			s.disk.synced = s.disk.hardState
		}
		if err := c.start(s, impl); err != nil {
			return err
		}
	}
	return nil
}

func (c *cluster) newServer() *server {
	s := &server{id: uint64(len(c.servers)) + 1, disk: newDisk()}
	c.servers = append(c.servers, s)
	return s
}

func (c *cluster) firstMembers() (ids []uint64) {
	for id := uint64(1); id <= c.first; id++ {
		ids = append(ids, id)
	}
	return ids
}

func (c *cluster) someImpl() implementation {
	return c.mix[c.rng.IntN(len(c.mix))]
}

func (c *cluster) drawCommon() {
	c.common = 0
	if c.rng.IntN(2) == 0 {
		c.common |= member.PreVote
	}
	if c.rng.IntN(2) == 0 {
		c.common |= member.CheckQuorum
		if c.rng.IntN(2) == 0 {
			c.common |= member.LeaseReads
			c.leases = true
		}
	}
	c.seen.options[c.common]++
}

// happen lets one thing happen.
func (c *cluster) happen() error {
	if c.step%600 == 1 {
		slow := c.server(c.weather.slow)
		c.changeWeather()
		// What it has not written by now, it may never write.
		if slow != nil && slow.up && c.rng.IntN(2) == 0 {
			return c.crash(slow)
		}
	}
	dice := c.rng.IntN(1000)
	if len(c.network) > 80 && dice < 850 {
		return c.deliver()
	}
	switch {
	case dice < 680:
		return c.goOn()
	case dice < 680+c.weather.tick:
		return c.tickSome()
	case dice < 790:
		if s := c.someServer(func(s *server) bool { return s.mustAdvance || s.status.HasReady }); s != nil {
			return c.work(s)
		}
		return nil
	case dice < 840:
		if s := c.someServer(c.canAppend); s != nil {
			return c.appendWork(s)
		}
		return nil
	case dice < 880:
		if s := c.someServer(func(s *server) bool { return len(s.applies) > 0 }); s != nil {
			return c.applyWork(s)
		}
		return nil
	case dice < 940:
		return c.onSome(c.propose)
	case dice < 962:
		return c.onSome(c.ask)
	case dice < 969:
		return c.onSome(c.compact)
	case dice < 979:
		return c.changeMembers()
	case dice < 984:
		return c.transferLeader()
	case dice < 985:
		return c.onSome(func(s *server) error {
			c.note("%d campaigns", s.id)
			_, err := c.call(s, &member.Request{Op: member.Campaign})
			return c.andWork(s, err)
		})
	case dice < 986:
		return c.onSome(func(s *server) error {
			_, err := c.call(s, &member.Request{Op: member.ForgetLeader})
			return c.andWork(s, err)
		})
	case dice < 987:
		return c.extend()
	case dice < 988:
		return c.onSome(func(s *server) error {
			peer := c.servers[c.rng.IntN(len(c.servers))].id
			_, err := c.call(s, &member.Request{Op: member.Unreachable, A: peer})
			return c.andWork(s, err)
		})
	case dice < 990:
		return c.crashOrRestart()
	case dice < 996:
		return c.restartAll(2)
	default:
		return c.tickSome()
	}
}

// goOn lets something happen that follows from what was before; time passes when there is nothing.
func (c *cluster) goOn() error {
	if len(c.network) > 0 && c.rng.IntN(4) != 0 {
		return c.deliver()
	}
	if s := c.someServer(c.canAppend); s != nil {
		return c.appendWork(s)
	}
	if len(c.network) > 0 {
		return c.deliver()
	}
	if s := c.someServer(func(s *server) bool { return s.mustAdvance || s.status.HasReady }); s != nil {
		return c.work(s)
	}
	return c.tickSome()
}

// canAppend says whether a server's append worker has something to do, and can.
func (c *cluster) canAppend(s *server) bool {
	return len(s.appends) > 0 && s.id != c.weather.slow
}

func (c *cluster) changeWeather() {
	c.weather = weather{tick: 25}
	clear(c.cut)
	for range 2 {
		switch c.rng.IntN(9) {
		case 0:
			c.weather.lose = 100
		case 1:
			c.weather.repeat = 150
		case 2:
			c.weather.reorder = 300
		case 3:
			c.weather.crash = 6
		case 4:
			if leader := c.leader(); leader != nil {
				c.weather.slow = leader.id
			}
		case 5:
			// Some are cut off from the others, perhaps in one direction only.
			oneWay := c.rng.IntN(4) == 0
			side := c.rng.Uint64()
			for _, a := range c.servers {
				for _, b := range c.servers {
					if side>>a.id&1 == 1 && side>>b.id&1 == 0 {
						c.cut[[2]uint64{a.id, b.id}] = true
						c.cut[[2]uint64{b.id, a.id}] = !oneWay
					}
				}
			}
		}
	}
	if c.rolling && c.rng.IntN(3) == 0 {
		c.drawCommon()
	}
	c.note("weather %+v, %d links are cut", c.weather, len(c.cut))
}

// crashes draws whether a server crashes at one of the places where that matters.
func (c *cluster) crashes() bool {
	return !c.healing && c.rng.IntN(1000) < c.weather.crash
}

// onSome does something on a server that is up, on the leader more often than on others.
func (c *cluster) onSome(f func(*server) error) error {
	s := c.someServer(func(*server) bool { return true })
	if leader := c.leader(); leader != nil && c.rng.IntN(2) == 0 {
		s = leader
	}
	if s == nil {
		return nil
	}
	return f(s)
}

// someServer draws one of the servers that are up and suit, nil if there is none.
func (c *cluster) someServer(suits func(*server) bool) *server {
	var suitable []*server
	for _, s := range c.servers {
		if s.up && suits(s) {
			suitable = append(suitable, s)
		}
	}
	if len(suitable) == 0 {
		return nil
	}
	return suitable[c.rng.IntN(len(suitable))]
}

// andWork lets a server do what follows from a call, or leaves it for later.
func (c *cluster) andWork(s *server, err error) error {
	if err != nil || !s.up || c.rng.IntN(4) == 0 {
		return err
	}
	return c.work(s)
}

func (c *cluster) tickSome() error {
	for _, s := range c.servers {
		// Clocks need not go alike, except for a lease.
		if !c.leases && c.rng.IntN(5) == 0 {
			continue
		}
		if err := c.tick(s); err != nil {
			return err
		}
	}
	return nil
}

func (c *cluster) tick(s *server) error {
	if !s.up {
		return nil
	}
	_, err := c.call(s, &member.Request{Op: member.Tick})
	return c.andWork(s, err)
}

func (c *cluster) propose(s *server) error {
	c.proposals++
	data := fmt.Sprintf("%d:%0*d", c.proposals, c.rng.IntN(60), 0)
	// Only what is taken may ever be applied; but a node that takes it may tell so by then.
	c.history.proposed[data] = true
	response, err := c.call(s, &member.Request{Op: member.Propose, X: []byte(data)})
	if err == nil && response.Code != member.OK {
		delete(c.history.proposed, data)
	}
	return c.andWork(s, err)
}

// deliver takes a letter to where it goes, or loses it.
func (c *cluster) deliver() error {
	place := 0
	if c.rng.IntN(1000) < c.weather.reorder {
		place = c.rng.IntN(len(c.network))
	}
	l := c.network[place]
	to := c.server(l.to)
	if l.kind == pb.MsgSnap && to != nil && to.up && !to.impl.isOurs() && len(to.applies) > 0 {
		// etcd's library would apply what is under way on top of the snapshot's configuration.
		return c.applyWork(to)
	}
	if c.rng.IntN(1000) < c.weather.repeat && l.kind != pb.MsgProp {
		// It stays, and comes again.
		c.network = append(c.network, l)
	}
	c.network = append(c.network[:place], c.network[place+1:]...)
	lost := to == nil || !to.up || c.cut[[2]uint64{l.from, l.to}] || c.rng.IntN(1000) < c.weather.lose
	from := c.server(l.from)
	if lost {
		if from != nil && from.up && (l.kind == pb.MsgSnap || c.rng.IntN(4) == 0) {
			request := &member.Request{Op: member.Unreachable, A: l.to}
			if l.kind == pb.MsgSnap {
				request = &member.Request{Op: member.SnapshotStatus, A: l.to}
			}
			_, err := c.call(from, request)
			return c.andWork(from, err)
		}
		return nil
	}
	if l.kind == pb.MsgSnap {
		to.offered, to.offeredFrom = max(to.offered, l.snapshot), l.impl
		if from != nil && from.up && !slices.Contains(membersOf(c.history.confState(l.snapshot)), l.to) {
			// A node takes no snapshot that it is not a member of, so that a newer one is needed.
			if err := c.compact(from); err != nil {
				return err
			}
		}
	}
	if l.asks && to.leads() && (c.healing || c.rng.IntN(2) == 0) {
		// The one that is there may be too old.
		if err := c.compact(to); err != nil {
			return err
		}
	}
	if l.kind > pb.MsgForgetLeader && !to.wasOurs {
		return fmt.Errorf("%d, which was never one of ours, is sent a %v by %d", l.to, l.kind, l.from)
	}
	if _, err := c.call(to, &member.Request{Op: member.Step, X: l.encoded}); err != nil {
		return fmt.Errorf("%v from %d: %w", l.kind, l.from, err)
	}
	if l.kind == pb.MsgSnap && from != nil && from.up {
		if _, err := c.call(from, &member.Request{Op: member.SnapshotStatus, A: l.to, B: 1}); err != nil {
			return err
		}
	}
	return c.andWork(to, nil)
}

func (c *cluster) server(id uint64) *server {
	if id == 0 || id > uint64(len(c.servers)) {
		return nil
	}
	return c.servers[id-1]
}

// leader is the leader of the newest term, if one is up.
func (c *cluster) leader() *server {
	var leader *server
	for _, s := range c.servers {
		if s.leads() && (leader == nil || s.status.Term > leader.status.Term) {
			leader = s
		}
	}
	return leader
}

func (c *cluster) watchLeaders() {
	count, newest := 0, uint64(0)
	for _, s := range c.servers {
		if s.leads() {
			count++
			newest = s.status.Term
		}
	}
	if count > 0 {
		c.seen.led++
	}
	if count != 1 {
		c.rivalry = uint64(c.step)
		return
	}
	if newest < c.seen.newestTerm(c.history) {
		c.rivalry = uint64(c.step)
	}
}

func (c *cluster) transferLeader() error {
	leader := c.leader()
	if leader == nil {
		return nil
	}
	voters := c.history.confState(leader.applied).GetVoters()
	if len(voters) == 0 {
		return nil
	}
	to := voters[c.rng.IntN(len(voters))]
	through := leader
	if s := c.servers[c.rng.IntN(len(c.servers))]; s.up && c.rng.IntN(3) == 0 {
		// A follower passes it on.
		through = s
	}
	c.note("%d is asked to make %d the leader", through.id, to)
	if to != leader.id {
		c.transfer = transfer{leader.impl, to, leader.status.Term}
	}
	_, err := c.call(through, &member.Request{Op: member.Transfer, A: to})
	return c.andWork(through, err)
}

// onLeader notes that a server has come to lead.
func (c *cluster) onLeader(s *server) {
	c.seen.leaders[s.impl]++
	if s.has(member.AsyncWrites) {
		c.seen.asyncLeaders[s.impl]++
	}
	c.seen.leaderOf(c.history, s)
	if c.transfer.to == s.id && c.transfer.term+1 == s.status.Term {
		c.seen.transfers[[2]implementation{c.transfer.from, s.impl}]++
	}
}

func (c *cluster) crashOrRestart() error {
	s := c.servers[c.rng.IntN(len(c.servers))]
	if !s.up {
		return c.restart(s)
	}
	// Mostly, a majority stays up.
	down := 0
	for _, other := range c.servers {
		if !other.up {
			down++
		}
	}
	if down > len(c.servers)/2 {
		return nil
	}
	return c.crash(s)
}

func (c *cluster) restartAll(oneOf int) error {
	for _, s := range c.servers {
		if !s.up && c.rng.IntN(oneOf) == 0 {
			if err := c.restart(s); err != nil {
				return err
			}
		}
	}
	return nil
}

// restart brings a server back, sometimes as another implementation.
func (c *cluster) restart(s *server) error {
	if c.isRetired(s) {
		return nil
	}
	impl := s.impl
	if c.rng.IntN(2) == 0 {
		impl = c.someImpl()
	}
	return c.start(s, impl)
}

// isRetired says whether a server is no member any more, and all who are know that: an operator
// would switch it off. Before that, its vote may be needed.
func (c *cluster) isRetired(s *server) bool {
	confState := c.history.confState(c.history.last())
	members := membersOf(confState)
	if slices.Contains(members, s.id) || s.id > c.first && !c.wasMember(s.id) {
		return false
	}
	since := c.history.last()
	for c.history.confStates[since] == nil && since > 0 {
		since--
	}
	for _, id := range members {
		if c.servers[id-1].applied < since {
			return false
		}
	}
	return true
}

func (c *cluster) wasMember(id uint64) bool {
	for _, confState := range c.history.confStates {
		if slices.Contains(membersOf(confState), id) {
			return true
		}
	}
	return false
}

func membersOf(confState *pb.ConfState) []uint64 {
	ids := slices.Concat(confState.GetVoters(), confState.GetLearners(),
		confState.GetVotersOutgoing(), confState.GetLearnersNext())
	slices.Sort(ids)
	return slices.Compact(ids)
}

// heal mends everything, and waits for all members to have applied the same log, with what is
// proposed then at its end.
func (c *cluster) heal() error {
	c.healing = true
	c.weather = weather{}
	clear(c.cut)
	c.note("all is mended")
	if c.rolling {
		// The roll-out comes to its end. With some of each kind, a node that is in a newer term and
		// does not check the quorum may never hear of the leader that the others stay with.
		for _, s := range c.servers {
			if s.up {
				if err := c.crash(s); err != nil {
					return err
				}
			}
		}
	}
	marker := uint64(0)
	for round := range 400 {
		for _, s := range c.servers {
			switch {
			case !s.up && !c.isRetired(s):
				if err := c.restart(s); err != nil {
					return err
				}
			case s.up && c.isRetired(s):
				if err := c.crash(s); err != nil {
					return err
				}
			}
		}
		for _, s := range c.servers {
			if s.up {
				if _, err := c.call(s, &member.Request{Op: member.Tick}); err != nil {
					return err
				}
			}
		}
		if err := c.settle(); err != nil {
			return err
		}
		leader := c.leader()
		if leader == nil {
			continue
		}
		confState := c.history.confState(leader.applied)
		if len(confState.GetVotersOutgoing()) > 0 && !confState.GetAutoLeave() {
			if err := c.leaveJoint(leader); err != nil {
				return err
			}
			continue
		}
		if round%10 == 5 {
			// The leader may be waiting for its host to make a snapshot that is new enough for a node
			// that has asked for one, and that may have forgotten that since.
			if err := c.compact(leader); err != nil {
				return err
			}
		}
		if round%10 == 0 {
			before := c.history.last()
			if err := c.propose(leader); err != nil {
				return err
			}
			if err := c.ask(leader); err != nil {
				return err
			}
			if err := c.settle(); err != nil {
				return err
			}
			if last := c.history.last(); last > before && marker == 0 &&
				len(c.history.applied[last].GetData()) > 0 {
				marker = last
			}
		}
		if marker != 0 && c.allAgree(confState) {
			return nil
		}
	}
	c.tellAll()
	return fmt.Errorf("the members don't come to the same state; %v applied up to %d",
		c.history.confState(c.history.last()), c.history.last())
}

// tellAll notes how all servers are.
func (c *cluster) tellAll() {
	for _, s := range c.servers {
		c.note("%d (%v): up %v, applied %d, log (%d, %d], %d appends, %d applies, settings %v, %+v", s.id, s.impl, s.up,
			s.applied, s.disk.compacted.index, s.disk.lastIndex(), len(s.appends), len(s.applies), s.settings, s.status)
	}
	for _, l := range c.network[max(0, len(c.network)-30):] {
		c.note("%v", l)
	}
}

// allAgree says whether all members have applied everything, and the configuration is at rest.
func (c *cluster) allAgree(confState *pb.ConfState) bool {
	if len(confState.GetVotersOutgoing()) > 0 {
		return false
	}
	for _, id := range membersOf(confState) {
		s := c.servers[id-1]
		if !s.up || s.applied != c.history.last() || s.status.Commit != s.applied {
			return false
		}
	}
	return true
}

// settle lets everything under way arrive.
func (c *cluster) settle() error {
	for range 20000 {
		busy := len(c.network) > 0
		for len(c.network) > 0 {
			if err := c.deliver(); err != nil {
				return err
			}
			if len(c.network) > 100000 {
				return fmt.Errorf("messages without end")
			}
		}
		for _, s := range c.servers {
			if !s.up {
				continue
			}
			if s.mustAdvance || s.status.HasReady {
				busy = true
				if err := c.work(s); err != nil {
					return err
				}
			}
			if len(s.appends) > 0 {
				busy = true
				if err := c.appendWork(s); err != nil {
					return err
				}
			}
			if len(s.applies) > 0 {
				busy = true
				if err := c.applyWork(s); err != nil {
					return err
				}
			}
		}
		if !busy {
			return nil
		}
	}
	c.tellAll()
	return fmt.Errorf("work without end")
}
