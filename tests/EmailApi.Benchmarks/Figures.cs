using System.Globalization;

namespace EmailApi.Benchmarks;

/// <summary>What was measured, several times each; printed with the least, the middle and the most.</summary>
sealed class Figures
{
    readonly List<(string Name, string Unit)> order = [];
    readonly Dictionary<string, List<double>> values = new(StringComparer.Ordinal);

    public void Add(string name, string unit, double value)
    {
        if (!values.TryGetValue(name, out var known))
        {
            values[name] = known = [];
            order.Add((name, unit));
        }

        known.Add(value);
    }

    public double Last(string name) => values[name][^1];

    public double MedianOf(string name) => Median(values[name]);

    public void Print()
    {
        var width = order.Max(o => o.Name.Length);
        Console.WriteLine($"{"".PadRight(width)}  {"min",10}{"median",10}{"max",10}");
        foreach (var (name, unit) in order)
        {
            var all = values[name];
            Console.WriteLine($"{name.PadRight(width)}  {Text(all.Min()),10}{Text(Median(all)),10}{Text(all.Max()),10}  {unit}");
        }
    }

    /// <param name="sorted">Ascending.</param>
    public static double Percentile(IReadOnlyList<double> sorted, double share) => sorted[Math.Min(sorted.Count - 1, (int)(sorted.Count * share))];

    static double Median(List<double> all)
    {
        var sorted = all.Order().ToList();
        return (sorted[(sorted.Count - 1) / 2] + sorted[sorted.Count / 2]) / 2;
    }

    static string Text(double value) => value.ToString(value < 10 ? "0.00" : value < 100 ? "0.0" : "#,0", CultureInfo.InvariantCulture);
}
