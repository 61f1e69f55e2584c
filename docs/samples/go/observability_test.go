package samples

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"strings"

	"libraft.dev/go/raft"
)

// What a node says about itself, in formats of others.
func Example_observability() {
	node, storage := start()
	defer node.Close()
	drive(node, storage, func(raft.Ready) {})

	withoutTime := func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}
	handler := slog.NewTextHandler(os.Stdout, &slog.HandlerOptions{ReplaceAttr: withoutTime, Level: slog.LevelInfo})

	// --8<-- [start:log]
	logger := slog.New(handler).With("node", 1)
	_ = node.Campaign()
	drive(node, storage, func(raft.Ready) {
		raft.LogEvents(context.Background(), logger, node.Events()...)
	})
	// What the library has to say besides goes where Config.Logger says.
	config := raft.Config{ID: 1, Logger: raft.SlogLogger(logger)}
	// --8<-- [end:log]
	_ = config

	// --8<-- [start:json]
	status, err := node.StatusJSON()
	// --8<-- [end:json]
	fmt.Println(string(status)[:28], err)

	// --8<-- [start:prometheus]
	// For each scrape: all the nodes of this process. Labels tell nodes of one id, but of several groups, apart.
	exposition := raft.NewExposition()
	if err := exposition.Add(node, map[string]string{"group": "accounts"}); err != nil {
		fmt.Println(err)
	}
	var body strings.Builder // with Content-Type raft.PrometheusContentType
	_, err = exposition.WriteTo(&body)
	// --8<-- [end:prometheus]
	_, rest, _ := strings.Cut(body.String(), "\nlibraft_elections_won_total")
	line, _, _ := strings.Cut(rest, "\n")
	fmt.Println(line, err)
	// Output:
	// level=INFO msg="campaign_started kind=election reason=host term=2" node=1 event=campaign_started kind=election reason=host term=2
	// level=INFO msg="role_changed from=follower to=candidate term=2 leader=0" node=1 event=role_changed from=follower to=candidate term=2 leader=0
	// level=INFO msg="election_won term=2 granted=1 refused=0" node=1 event=election_won term=2 granted=1 refused=0
	// level=INFO msg="role_changed from=candidate to=leader term=2 leader=1" node=1 event=role_changed from=candidate to=leader term=2 leader=1
	// level=INFO msg="leader_changed from=0 to=1 term=2" node=1 event=leader_changed from=0 to=1 term=2
	// {"id":1,"term":2,"vote":1,"c <nil>
	// {node="1",group="accounts"} 1 <nil>
}
