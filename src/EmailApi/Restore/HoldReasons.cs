namespace EmailApi.Restore;

/// <summary>What a reason says to operators.</summary>
static class HoldReasons
{
    public static string Sentence(this HoldReason? reason) => reason switch
    {
        HoldReason.AnotherCluster => "it lives in another PostgreSQL cluster than before",
        HoldReason.AnotherDatabase => "it is another database of the same server than before, such as a clone",
        HoldReason.Reloaded => "its rows were loaded, as from a dump",
        HoldReason.Moved => "the embedded cluster's files are copies",
        HoldReason.SetBack => "a node has seen it further on than it is",
        HoldReason.AnotherTimeline => "a standby took over or it was recovered to a point in time, and not every node that was delivering could vouch that nothing is missing",
        _ => "a person said so",
    };
}
