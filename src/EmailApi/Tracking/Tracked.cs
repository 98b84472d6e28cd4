using System.Text.Json;
using System.Text.Json.Serialization;
using EmailApi.Emails;
using EmailApi.Http;
using EmailApi.Projects;
using FluentValidation;
using Stream = EmailApi.Projects.Stream;

namespace EmailApi.Tracking;

/// <summary>What is noticed of a mail after it left. It is decided when the mail is accepted, and stands on its row.</summary>
[Flags]
public enum Tracked : short
{
    None = 0,
    Opens = 1,
    Clicks = 2,
    /// <summary>Links of the text part too.</summary>
    ClicksInText = 4,
    /// <summary>The reader's program is asked for a notification (RFC 8098).</summary>
    ReturnReceipt = 8,
    /// <summary>One click ends the mail of its stream (RFC 8058).</summary>
    UnsubscribeStream = 16,
    /// <summary>One click ends all mail of the project.</summary>
    UnsubscribeProject = 32,
}

/// <summary>What an unsubscription ends.</summary>
public enum UnsubscribeScope
{
    /// <summary>Nobody is offered to unsubscribe.</summary>
    None,
    Stream,
    Project,
}

/// <summary>Which visits are noticed. What is left out follows from the key, then from the stream.</summary>
public sealed record TrackInput
{
    /// <summary>A picture of one pixel in the HTML part tells that it was loaded.</summary>
    public bool? Opens { get; init; }
    /// <summary>Links of the HTML part lead over this server.</summary>
    public bool? Clicks { get; init; }
    /// <summary>Links of the text part too.</summary>
    public bool? ClicksText { get; init; }

    [JsonExtensionData]
    public Dictionary<string, JsonElement>? Unknown { get; set; }
}

static class TrackRules
{
    const Tracked Personal = ~Tracked.ReturnReceipt;

    /// <summary>The mail's own word, then the key's, then the stream's.</summary>
    public static Tracked Resolve(SendEmailRequest request, Caller caller, Stream stream) =>
        Flag(request.Track?.Opens ?? caller.Track.Opens ?? stream.TrackOpens, Tracked.Opens)
        | Flag(request.Track?.Clicks ?? caller.Track.Clicks ?? stream.TrackClicks, Tracked.Clicks)
        | Flag(request.Track?.ClicksText ?? caller.Track.ClicksText ?? stream.TrackClicksText, Tracked.ClicksInText)
        | Flag(request.ReturnReceipt ?? caller.Track.ReturnReceipt ?? stream.ReturnReceipt, Tracked.ReturnReceipt)
        | (Words.TryParse<UnsubscribeScope>(request.Unsubscribe, out var scope) ? scope : OwnUnsubscribe(request) is null ? stream.Unsubscribe : UnsubscribeScope.None) switch
        {
            UnsubscribeScope.Stream => Tracked.UnsubscribeStream,
            UnsubscribeScope.Project => Tracked.UnsubscribeProject,
            _ => Tracked.None,
        };

    /// <summary>The header field by which a mail offers a way of its own; null: it does not.</summary>
    public static string? OwnUnsubscribe(SendEmailRequest request) => request.Headers?.Keys.FirstOrDefault(name =>
        name.Equals("List-Unsubscribe", StringComparison.OrdinalIgnoreCase) || name.Equals("List-Unsubscribe-Post", StringComparison.OrdinalIgnoreCase));

    /// <summary>It holds addresses at this server that are one recipient's own.</summary>
    public static bool IsPersonal(this Tracked tracked) => (tracked & Personal) != 0;

    public static UnsubscribeScope Scope(this Tracked tracked) =>
        tracked.HasFlag(Tracked.UnsubscribeProject) ? UnsubscribeScope.Project : tracked.HasFlag(Tracked.UnsubscribeStream) ? UnsubscribeScope.Stream : UnsubscribeScope.None;

    /// <summary>Of a mail, a key or a stream.</summary>
    public static void CheckTrack<T>(this ValidationContext<T> context, TrackInput? track) => context.RefuseUnknown(track?.Unknown, "track");

    public static void CheckUnsubscribe<T>(this ValidationContext<T> context, string? word)
    {
        if (word is not null && !Words.TryParse<UnsubscribeScope>(word, out _)) context.Add("unknown_value", "Give none, stream or project.", "unsubscribe");
    }

    /// <summary>What cannot be promised without the address that readers would come to.</summary>
    public static IEnumerable<FieldError> WithoutPublicUrl(TrackInput? track, string? unsubscribe, string pointer = "#")
    {
        if (track?.Opens is true) yield return Error("/track/opens");
        if (track?.Clicks is true) yield return Error("/track/clicks");
        if (track?.ClicksText is true) yield return Error("/track/clicks_text");
        if (unsubscribe is not (null or "none")) yield return Error("/unsubscribe");

        FieldError Error(string field) => new(pointer + field, PublicUrlNeeded, "Tracking and unsubscribing need EmailApi__PublicUrl, where readers reach this server; have it set, or leave the field out.");
    }

    public const string PublicUrlNeeded = "no_public_url";

    static Tracked Flag(bool isOn, Tracked flag) => isOn ? flag : Tracked.None;
}
