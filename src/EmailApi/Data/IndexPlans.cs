using Npgsql;

namespace EmailApi.Data;

/// <summary>Makes the hot paths find the queue's rows by their indexes. PostgreSQL plans a statement once, while the queue is empty or small,
/// and would then read all of it for every claim and every record, however long it has grown meanwhile. What is switched off has an enormous cost in its
/// eyes, for which it would compile each of them anew (<c>jit</c> is on in PostgreSQL as it comes), and that takes a thousand times as long as running it. Nor is one planned for each
/// use, which takes ten times as long and finds the same.</summary>
static class IndexPlans
{
    /// <summary>The first command of a batch: it holds until the batch's transaction ends, and so through a pooler too.</summary>
    public static NpgsqlBatchCommand Command() => new("""
        select set_config('enable_seqscan', 'off', true), set_config('enable_bitmapscan', 'off', true), set_config('enable_hashjoin', 'off', true), set_config('enable_mergejoin', 'off', true), set_config('jit', 'off', true),
            set_config('plan_cache_mode', 'force_generic_plan', true)
        """);
}
