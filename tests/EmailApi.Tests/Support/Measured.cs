using System.Collections.Concurrent;
using System.Diagnostics.Metrics;
using Microsoft.Extensions.DependencyInjection;

namespace EmailApi.Tests.Support;

/// <summary>What one instrument of one app measures. <c>/metrics</c> of an app in this process mixes in other apps' figures, as the exporter knows
/// meters by name only.</summary>
sealed class Measured : IDisposable
{
    readonly MeterListener listener = new();
    readonly ConcurrentQueue<(double Value, string Tags)> values = new();

    /// <param name="app">As it runs now; not after a restart.</param>
    public Measured(TestApp app, string instrument)
    {
        var meters = app.Services.GetRequiredService<IMeterFactory>();
        listener.InstrumentPublished = (published, l) =>
        {
            if (published.Name == instrument && ReferenceEquals(published.Meter.Scope, meters)) l.EnableMeasurementEvents(published);
        };
        listener.SetMeasurementEventCallback<int>((_, value, tags, _) => Add(value, tags));
        listener.SetMeasurementEventCallback<long>((_, value, tags, _) => Add(value, tags));
        listener.SetMeasurementEventCallback<double>((_, value, tags, _) => Add(value, tags));
        listener.Start();
    }

    /// <summary>Of a counter, since this began.</summary>
    public double Sum => values.Sum(v => v.Value);

    /// <summary>Of a gauge, now: each value with its labels as <c>name=value</c>.</summary>
    public IReadOnlyList<(double Value, string Tags)> Now()
    {
        values.Clear();
        listener.RecordObservableInstruments();
        return [.. values];
    }

    public void Dispose() => listener.Dispose();

    void Add(double value, ReadOnlySpan<KeyValuePair<string, object?>> tags) =>
        values.Enqueue((value, string.Join(',', tags.ToArray().Select(t => $"{t.Key}={t.Value}"))));
}
