using EmailApi.Emails;
using EmailApi.Http;
using Microsoft.Extensions.Options;

namespace EmailApi.Tracking;

/// <summary>Where readers reach this server, and what is refused where they cannot.</summary>
public sealed class PublicUrl(IOptions<AppOptions> options)
{
    /// <summary>Without a slash at its end; null: <c>EmailApi__PublicUrl</c> is not set.</summary>
    public string? Root { get; } = options.Value.PublicUrl is { Length: > 0 } url ? new Uri(url).AbsoluteUri.TrimEnd('/') : null;

    /// <summary>What a mail asks for, or its key or stream for it, and cannot have.</summary>
    public IEnumerable<FieldError> Refuse(SendEmailRequest request, Tracked tracked, string pointer)
    {
        if (Root is not null || !tracked.IsPersonal()) return [];
        var own = TrackRules.WithoutPublicUrl(request.Track, request.Unsubscribe, pointer).ToList();
        return own.Count > 0 ? own : [new(pointer + "/track", TrackRules.PublicUrlNeeded, "The key or the stream asks for tracking or unsubscribing, which need EmailApi__PublicUrl, where readers reach this server; have it set, or switch them off.")];
    }

    /// <summary>The same of a key or a stream.</summary>
    /// <exception cref="ProblemException">422.</exception>
    public void Demand(TrackInput? track, string? unsubscribe)
    {
        if (Root is null && TrackRules.WithoutPublicUrl(track, unsubscribe).ToList() is { Count: > 0 } errors) throw Validation.Invalid(errors);
    }
}
