package alerts

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// A downtimeCommand is the body of a POST.
type downtimeCommand struct {
	downtimeJSON
	For   string    `json:"for"`
	Until time.Time `json:"until"`
}

func (e *Engine) serveDowntime(w http.ResponseWriter, r *http.Request) {
	d, err := parseDowntime(w, r)
	if err == nil {
		d, err = e.AddDowntime(r.Context(), d)
	}
	if err != nil {
		writeError(w, http.StatusBadRequest, err)
		return
	}
	writeJSON(w, http.StatusOK, d)
}

func (e *Engine) serveRemoveDowntime(w http.ResponseWriter, r *http.Request) {
	if err := e.RemoveDowntime(r.Context(), r.FormValue("id")); err != nil {
		writeError(w, codeOf(err), err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

func parseDowntime(w http.ResponseWriter, r *http.Request) (Downtime, error) {
	var c downtimeCommand
	isJSON, err := readBody(w, r, &c)
	if err == nil && !isJSON {
		err = c.form(r.Form)
	}
	if err != nil {
		return Downtime{}, err
	}
	said := command{By: c.By, Comment: c.Comment, For: c.For, Until: c.Until}
	if err := said.check(); err != nil {
		return Downtime{}, err
	}
	d := Downtime(c.plainDowntime)
	if len(d.Name) > 200 {
		return d, errors.New("name is too long: at most 200 bytes")
	}
	if !said.Until.IsZero() {
		d.End = said.Until
	}
	if c.downtimeJSON.Duration != "" {
		if d.Duration, err = time.ParseDuration(c.downtimeJSON.Duration); err != nil {
			return d, fmt.Errorf("duration: %w", err)
		}
	}
	return d, nil
}

// form takes the fields from a form.
func (c *downtimeCommand) form(f url.Values) (err error) {
	c.Name, c.TriggeredBy, c.By, c.Comment = f.Get("name"), f.Get("triggered_by"), f.Get("by"), f.Get("comment")
	c.For, c.downtimeJSON.Duration = f.Get("for"), f.Get("duration")
	if c.Matchers, err = texts[Matcher](f["matcher"]); err != nil {
		return err
	}
	for name, to := range map[string]*time.Time{"start": &c.Start, "end": &c.End, "until": &c.Until} {
		if s := f.Get(name); s != "" {
			if *to, err = time.Parse(time.RFC3339, s); err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
		}
	}
	if s := f.Get("pauses_scaling"); s != "" {
		if c.PausesScaling, err = strconv.ParseBool(s); err != nil {
			return fmt.Errorf("pauses_scaling: %w", err)
		}
	}
	if f.Get("from") != "" || f.Get("to") != "" {
		c.Recurring, err = recurrence(f)
	}
	return err
}

func recurrence(f url.Values) (*Recurrence, error) {
	var r Recurrence
	var errs [5]error
	r.Weekdays, errs[0] = texts[WeekdayRange](f["weekday"])
	r.Days, errs[1] = texts[DayRange](f["day_of_month"])
	errs[2] = r.From.UnmarshalText([]byte(f.Get("from")))
	errs[3] = r.To.UnmarshalText([]byte(f.Get("to")))
	if s := f.Get("location"); s != "" {
		errs[4] = r.Location.UnmarshalText([]byte(s))
	}
	return &r, errors.Join(errs[:]...)
}
