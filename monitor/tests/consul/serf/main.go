// One member of a network's Serf cluster, which is what decides in Consul who is alive. With -http it answers what masakari-hostmonitor
// asks of a Consul agent, as Consul documents it: GET /v1/agent/members, and the blocking query GET /v1/health/state/critical.
//
// What it is not: Consul. There is no Raft; a network has a leader while a member with -server is alive.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"math/rand"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/hashicorp/memberlist"
	"github.com/hashicorp/serf/serf"
)

const port = 8301

// index counts what happened to members, for blocking queries.
type index struct {
	sync.Mutex
	at      uint64
	changed chan struct{}
}

func (i *index) raise() {
	i.Lock()
	defer i.Unlock()
	i.at++
	close(i.changed)
	i.changed = make(chan struct{})
}

func (i *index) now() (uint64, chan struct{}) {
	i.Lock()
	defer i.Unlock()
	return i.at, i.changed
}

// wait returns when it is another than the one that is known, or after so long and up to a sixteenth more, as Consul does.
func (i *index) wait(known uint64, most time.Duration) uint64 {
	end := time.After(most + time.Duration(rand.Int63n(int64(most/16)+1)))
	for {
		at, changed := i.now()
		if at != known {
			return at
		}
		select {
		case <-changed:
		case <-end:
			return at
		}
	}
}

func answer(w http.ResponseWriter, what any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(what)
}

func serve(address string, agent *serf.Serf, of *index) {
	http.HandleFunc("/v1/agent/members", func(w http.ResponseWriter, _ *http.Request) {
		members := []map[string]any{}
		for _, m := range agent.Members() {
			members = append(members, map[string]any{
				"Name": m.Name, "Addr": m.Addr.String(), "Port": m.Port, "Tags": m.Tags, "Status": int(m.Status),
				"ProtocolMin": m.ProtocolMin, "ProtocolMax": m.ProtocolMax, "ProtocolCur": m.ProtocolCur,
				"DelegateMin": m.DelegateMin, "DelegateMax": m.DelegateMax, "DelegateCur": m.DelegateCur,
			})
		}
		answer(w, members)
	})
	http.HandleFunc("/v1/health/state/critical", func(w http.ResponseWriter, r *http.Request) {
		at, _ := of.now()
		if known, err := strconv.ParseUint(r.FormValue("index"), 10, 64); err == nil && known > 0 {
			most, err := time.ParseDuration(r.FormValue("wait"))
			if err != nil || most > 10*time.Minute {
				most = 5 * time.Minute
			}
			at = of.wait(known, most)
		}
		checks, leads := []map[string]any{}, false
		for _, m := range agent.Members() {
			leads = leads || m.Tags["role"] == "consul" && m.Status == serf.StatusAlive
			if m.Status == serf.StatusFailed {
				checks = append(checks, map[string]any{
					"Node": m.Name, "CheckID": "serfHealth", "Name": "Serf Health Status", "Status": "critical",
					"Output": "Agent not live or unreachable",
				})
			}
		}
		if !leads {
			http.Error(w, "No cluster leader", http.StatusInternalServerError)
			return
		}
		w.Header().Set("X-Consul-Index", fmt.Sprint(at))
		w.Header().Set("X-Consul-Knownleader", "true")
		answer(w, checks)
	})
	log.Fatal(http.ListenAndServe(address, nil))
}

func main() {
	name := flag.String("node", "", "its name")
	bind := flag.String("bind", "", "its address")
	join := flag.String("join", "", "the address of another")
	address := flag.String("http", "", "where it answers as a Consul agent")
	server := flag.Bool("server", false, "it may lead")
	flag.Parse()

	events := make(chan serf.Event, 1024)
	config := serf.DefaultConfig()
	config.MemberlistConfig = memberlist.DefaultLANConfig()
	config.MemberlistConfig.BindAddr, config.MemberlistConfig.BindPort = *bind, port
	config.NodeName, config.EventCh = *name, events
	config.Tags = map[string]string{"role": "node"}
	if *server {
		config.Tags["role"] = "consul"
	}
	config.Init()
	agent, err := serf.Create(config)
	if err != nil {
		log.Fatal(err)
	}
	if *join != "" {
		// Until somebody is there: they are started at once.
		for tries := 0; ; tries++ {
			if _, err := agent.Join([]string{net.JoinHostPort(*join, fmt.Sprint(port))}, true); err == nil {
				break
			} else if tries > 100 {
				log.Fatal(err)
			}
			time.Sleep(200 * time.Millisecond)
		}
	}
	of := &index{at: 1, changed: make(chan struct{})}
	if *address != "" {
		go serve(*address, agent, of)
	}
	left := make(chan os.Signal, 1)
	signal.Notify(left, syscall.SIGTERM)
	for {
		select {
		case event := <-events:
			of.raise()
			if members, is := event.(serf.MemberEvent); is {
				for _, m := range members.Members {
					fmt.Printf("%.6f %s %s\n", float64(time.Now().UnixNano())/1e9, members.Type, m.Name)
				}
			}
		case <-left:
			_ = agent.Leave()
			_ = agent.Shutdown()
			return
		}
	}
}
