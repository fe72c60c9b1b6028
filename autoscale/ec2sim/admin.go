package ec2sim

import (
	"encoding/json"
	"net/http"
	"strconv"
)

// admin serves the emulator's own paths as JSON.
func (s *Sim) admin() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /_sim/faults", func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, s.Faults()) })
	mux.HandleFunc("DELETE /_sim/faults", func(w http.ResponseWriter, _ *http.Request) {
		s.ClearFaults()
		writeJSON(w, s.Faults())
	})
	mux.HandleFunc("POST /_sim/faults", func(w http.ResponseWriter, r *http.Request) {
		var fs Script
		if post(w, r, &fs, func() error { return s.Inject(fs...) }) {
			writeJSON(w, s.Faults())
		}
	})
	mux.HandleFunc("POST /_sim/groups", func(w http.ResponseWriter, r *http.Request) {
		var g GroupSpec
		if post(w, r, &g, func() error { return s.CreateGroup(g) }) {
			writeJSON(w, g)
		}
	})
	mux.HandleFunc("POST /_sim/images", func(w http.ResponseWriter, r *http.Request) {
		var i Image
		if post(w, r, &i, func() error { return s.AddImage(i) }) {
			writeJSON(w, i)
		}
	})
	mux.HandleFunc("GET /_sim/instances", func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, s.Instances()) })
	mux.HandleFunc("GET /_sim/commands", func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, s.Commands()) })
	s.metadata(mux)
	return http.NewCrossOriginProtection().Handler(mux)
}

// maxPost bounds what the emulator's own paths read.
const maxPost = 64 << 10

// post reads what was posted and acts on it, or says what is wrong with it.
func post(w http.ResponseWriter, r *http.Request, into any, act func() error) bool {
	dec := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxPost))
	dec.DisallowUnknownFields()
	err := dec.Decode(into)
	if err == nil {
		err = act()
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
	}
	return err == nil
}

func writeJSON(w http.ResponseWriter, v any) {
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(b)+1))
	// A reader who went away needs no answer.
	_, _ = w.Write(append(b, '\n'))
}
