namespace EmailApi.Faults;

/// <summary>A number that a scenario can be given by name, as in <c>kills=50</c>.</summary>
/// <param name="Full">Unless given.</param>
/// <param name="Short">The same with <c>--short</c>.</param>
record Parameter(string Name, int Full, int Short);

/// <summary>One fault, done to real nodes under load, and the bars that its counts must keep. One file in Scenarios each.</summary>
/// <param name="sentence">What is done and what must come of it.</param>
abstract class Scenario(string name, string sentence, params Parameter[] parameters)
{
    public string Name => name;
    public string Sentence => sentence;
    public IReadOnlyList<Parameter> Parameters => parameters;

    /// <summary>It measures rates, memory or processor time: in the short form too nothing runs beside it.</summary>
    public virtual bool IsAlone => false;

    /// <summary>Does it, and says its counts and bars to the run.</summary>
    public abstract Task RunAsync(Run run);
}
