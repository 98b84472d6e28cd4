using System.Globalization;

namespace EmailApi.Benchmarks;

/// <summary>One look at a node and its database.</summary>
sealed record SoakLook(TimeSpan At, double ResidentBytes, long Mails, IReadOnlyDictionary<string, TableSize> Tables);

/// <summary>What half an hour's looks say of a day: which way memory goes, and which tables grow that should not.</summary>
sealed class SoakReport
{
    /// <summary>A table that is emptied and filled again breathes: in the last third it may be so much larger than in the one before.</summary>
    const double Breath = 1.25;
    const long BreathBytes = 4 << 20, BreathRows = 20_000;

    readonly List<SoakLook> looks = [];

    public void Add(SoakLook look)
    {
        if (looks.Count == 0) Console.WriteLine("  min    RSS MB      mails  tables: rows + dead rows, MB");
        looks.Add(look);
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{look.At.TotalMinutes,5:0.0}{look.ResidentBytes / 1e6,10:0}{look.Mails,11}  ")
            + string.Join("; ", look.Tables.Where(t => t.Value.Bytes > 256 << 10).Select(t => string.Create(CultureInfo.InvariantCulture, $"{t.Key} {t.Value.Rows} + {t.Value.DeadRows}, {t.Value.Bytes / 1e6:0.0}"))));
    }

    /// <returns>Whether no table grew but the archive's, and dead rows are bounded.</returns>
    public bool Print()
    {
        var (middle, last) = (Between(1 / 3d, 2 / 3d), Between(2 / 3d, 1));
        if (middle.Count == 0 || last.Count == 0)
        {
            Console.WriteLine("The run was too short to say what grows.");
            return true;
        }

        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"RSS over the last two thirds: {Slope([.. middle, .. last]):0.0} MB an hour (least squares)"));
        var isBounded = true;
        foreach (var table in last[^1].Tables.Keys)
        {
            var grows = Most(last, table, t => t.Bytes) > Most(middle, table, t => t.Bytes) * Breath + BreathBytes;
            var dead = Most(last, table, t => t.DeadRows) > Most(middle, table, t => t.DeadRows) * Breath + BreathRows;
            if (grows || dead) Console.WriteLine($"{table}: {(grows ? "grows" : "")}{(grows && dead ? ", " : "")}{(dead ? "its dead rows grow" : "")}{(TableSizes.MayGrow(table) && !dead ? " (it may)" : "")}");
            isBounded &= !dead && (!grows || TableSizes.MayGrow(table));
        }

        return isBounded;
    }

    /// <returns>MB an hour.</returns>
    static double Slope(List<SoakLook> looks)
    {
        var (x, y) = (looks.Average(l => l.At.TotalHours), looks.Average(l => l.ResidentBytes / 1e6));
        return looks.Sum(l => (l.At.TotalHours - x) * (l.ResidentBytes / 1e6 - y)) / looks.Sum(l => Math.Pow(l.At.TotalHours - x, 2));
    }

    List<SoakLook> Between(double from, double to) => [.. looks.Where(l => l.At >= looks[^1].At * from && l.At <= looks[^1].At * to)];

    static long Most(List<SoakLook> looks, string table, Func<TableSize, long> of) => looks.Max(l => l.Tables.TryGetValue(table, out var size) ? of(size) : 0);
}
