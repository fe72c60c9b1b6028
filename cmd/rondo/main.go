// Command rondo is a round-robin time-series store, a syslog server, a
// supervisor and an EC2 autoscaler in one program.
package main

func main() {}
