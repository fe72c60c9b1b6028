package fleet

import (
	"encoding/json"
	"net/http"
)

// Handler answers GET /api/hosts with all hosts, and GET /api/hosts/NAME with
// one, found by ID, name or instance.
func (f *Fleet) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /api/hosts", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, http.StatusOK, f.Hosts())
	})
	mux.HandleFunc("GET /api/hosts/{name}", func(w http.ResponseWriter, r *http.Request) {
		h, ok := f.Host(r.PathValue("name"))
		if !ok {
			writeJSON(w, http.StatusNotFound, map[string]string{"error": "no such host: " + r.PathValue("name")})
			return
		}
		writeJSON(w, http.StatusOK, h)
	})
	return mux
}

// Commands answers POST /api/hosts/NAME/withdraw?reason=TEXT and
// /api/hosts/NAME/expect; who mounts it must guard it.
func (f *Fleet) Commands() http.Handler {
	mux := http.NewServeMux()
	known := func(do func(name string, r *http.Request)) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			name := r.PathValue("name")
			if _, ok := f.Host(name); !ok {
				writeJSON(w, http.StatusNotFound, map[string]string{"error": "no such host: " + name})
				return
			}
			do(name, r)
			h, _ := f.Host(name)
			writeJSON(w, http.StatusOK, h)
		}
	}
	mux.HandleFunc("POST /api/hosts/{name}/withdraw", known(func(name string, r *http.Request) {
		f.Withdraw(name, r.FormValue("reason"))
	}))
	mux.HandleFunc("POST /api/hosts/{name}/expect", known(func(name string, _ *http.Request) { f.Expect(name) }))
	return mux
}

func writeJSON(w http.ResponseWriter, code int, v any) {
	b, err := json.Marshal(v)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_, _ = w.Write(append(b, '\n')) // the client is gone: nobody to tell
}
