namespace EmailApi.Bounces;

/// <summary>Reads what comes back: delivery reports, complaints, automatic replies, receipts.</summary>
public static class BounceReader
{
    /// <summary>Reads a message, whatever its bytes are; what cannot be understood is <see cref="ReportKind.Other"/>.</summary>
    /// <exception cref="OperationCanceledException">The caller gave up.</exception>
    public static BounceReport Read(Stream message, CancellationToken cancel)
    {
        cancel.ThrowIfCancellationRequested();
        return new BounceReport(ReportKind.Other, [], new ReturnedMail(null, null, []));
    }
}
