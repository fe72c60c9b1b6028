package rrdfile

import (
	"bufio"
	"encoding/json"
	"errors"
	"net/http"

	"rondo/rrd"
)

// importsAtOnce bounds the images in memory; further imports wait.
const importsAtOnce = 16

// Handler answers what may be read:
//
//	GET /api/sets?prefix=rack1/                the names, a JSON string a line
//	GET /api/sets/file?name=NAME&format=rrd    the set as a file, or as xml
func Handler(s rrd.SetStore) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /api/sets", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/x-ndjson")
		b := bufio.NewWriter(w)
		e := json.NewEncoder(b)
		for _, name := range s.ListSets(r.FormValue("prefix")) {
			if e.Encode(name) != nil {
				return // the reader has gone
			}
		}
		_ = b.Flush()
	})
	mux.HandleFunc("GET /api/sets/file", func(w http.ResponseWriter, r *http.Request) { serveFile(s, w, r) })
	return mux
}

// Commands answers what changes something; who mounts it must guard it.
//
//	PUT /api/sets/file?name=NAME&replace=true  takes a .rrd or its XML: {"outcome": "imported"}
//
// A file that is refused is 409 where the set exists, else 422; 5xx is
// trouble that the next file would have as well.
func Commands(s rrd.SetStore) http.Handler {
	places := make(chan struct{}, importsAtOnce)
	mux := http.NewServeMux()
	mux.HandleFunc("PUT /api/sets/file", func(w http.ResponseWriter, r *http.Request) {
		select {
		case places <- struct{}{}:
			defer func() { <-places }()
		case <-r.Context().Done():
			return
		}
		outcome, err := Import(r.Context(), s, r.URL.Query().Get("name"), r.Body, r.URL.Query().Get("replace") == "true")
		if err != nil {
			writeError(w, err)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(map[string]Outcome{"outcome": outcome})
	})
	return mux
}

// serveFile answers with a whole file, or with an error and none of it.
func serveFile(s rrd.SetStore, w http.ResponseWriter, r *http.Request) {
	name, format := r.FormValue("name"), Format(r.FormValue("format"))
	image, err := s.ExportSet(r.Context(), name)
	if err != nil {
		writeError(w, err)
		return
	}
	if format == XML {
		if err := check(image); err != nil {
			writeError(w, err)
			return
		}
		w.Header().Set("Content-Type", "application/xml")
		_ = WriteXML(w, image) // an error is the connection's
		return
	}
	raw, err := Append(nil, image)
	if err != nil {
		writeError(w, err)
		return
	}
	w.Header().Set("Content-Type", "application/x-rrd")
	_, _ = w.Write(raw)
}

func writeError(w http.ResponseWriter, err error) {
	status := http.StatusUnprocessableEntity
	_, large := errors.AsType[*http.MaxBytesError](err)
	switch {
	case large:
		status = http.StatusRequestEntityTooLarge
		err = errors.New("the file is larger than web.limits.max_body; without a server there is no such limit")
	case errors.Is(err, rrd.ErrNoSet):
		status = http.StatusNotFound
	case errors.Is(err, rrd.ErrSetExists):
		status = http.StatusConflict
	case errors.Is(err, ErrStore):
		status = http.StatusServiceUnavailable
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]string{"error": err.Error()})
}
