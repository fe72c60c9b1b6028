package notify

// Autoscale is the name of the target that wakes the autoscaler: it stands
// beside those of the configuration, so none of them may have it.
const Autoscale = "autoscale"
