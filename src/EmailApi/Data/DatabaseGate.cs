namespace EmailApi.Data;

/// <summary>Closed until the database was reached, migrated and found fit; requests meanwhile are answered 503.</summary>
public sealed class DatabaseGate
{
    readonly TaskCompletionSource opened = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public bool IsOpen => opened.Task.IsCompletedSuccessfully;

    /// <summary>Why it is still closed.</summary>
    public string Waiting { get; set; } = "The database was not reached yet.";

    public void Open() => opened.TrySetResult();

    public Task WaitAsync(CancellationToken cancel) => opened.Task.WaitAsync(cancel);
}
