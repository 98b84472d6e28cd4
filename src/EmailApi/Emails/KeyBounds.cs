using EmailApi.Http;
using EmailApi.Projects;

namespace EmailApi.Emails;

/// <summary>What a key is bound to, held against a request that is valid otherwise.</summary>
static class KeyBounds
{
    public static IEnumerable<FieldError> Broken(SendEmailRequest request, Caller caller, string pointer)
    {
        if (request.OverrideSuppression is true && !caller.Scopes.Contains(Scopes.OverrideSuppression))
            yield return new(pointer + "/override_suppression", "scope_missing", $"The key lacks the scope {Scopes.OverrideSuppression}.");
        if (!caller.IsBound) yield break;

        var from = AddressBook.Read(request.From!).Email;
        if (!caller.MaySendAs(from)) yield return new(pointer + "/from", "sender_not_allowed", $"The key may send as {string.Join(", ", caller.Senders)}; {from} is none of these.");
        var stream = request.Stream ?? Projects.Stream.Transactional;
        if (!caller.MayUse(stream)) yield return new(pointer + "/stream", "stream_not_allowed", $"The key may use the streams {string.Join(", ", caller.Streams)}; {stream} is none of these.");

        foreach (var (field, list) in new[] { ("to", request.To), ("cc", request.Cc), ("bcc", request.Bcc) })
            for (var i = 0; i < list?.Items.Count; i++)
                if (AddressBook.Read(list.Items[i]).Email is var address && !caller.MaySendTo(address))
                    yield return new(pointer + (list.IsSingle ? $"/{field}" : $"/{field}/{i}"), "recipient_not_allowed", $"The key may not send to {address}.");
    }
}
